"""When an offer may be shown: from and until when by its validity and its price, and why it is not.

The one rule of both: an offer whose price holds no more is as little shown as one that is over.
"""

from models.domain.catalogue import Row
from models.domain.reasons import Reason

# Moments before and after all others, in microseconds; both fit an int64.
ALWAYS, NEVER = -(2**63), 2**63 - 1


def shown_from(row: Row) -> int:
    """Return the first moment at which an offer may be shown (microseconds); ALWAYS without one."""
    return ALWAYS if row.valid_from is None else row.valid_from


def shown_until(row: Row) -> int:
    """Return the first moment at which an offer, or its price, is over (microseconds).

    NEVER where neither ends.
    """
    ends = [end for end in (row.valid_until, row.price_until) if end is not None]
    return min(ends, default=NEVER)


def unavailable(row: Row, now: int) -> Reason:
    """Return why an offer may be shown nowhere at `now` (microseconds); stock is what is left."""
    if row.withdrawn:
        return Reason.WITHDRAWN
    if now < shown_from(row):
        return Reason.NOT_VALID
    if now >= shown_until(row):
        valid = row.valid_until is None or now < row.valid_until
        return Reason.PRICE_EXPIRED if valid else Reason.NOT_VALID
    return Reason.OUT_OF_STOCK
