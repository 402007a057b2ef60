"""Which lanes of a profile the rules of a policy look back on, beyond what the model reads."""

from collections.abc import Iterator

from models.domain.event_types import (
    CONTACT,
    EVENT_TYPES,
    GRANTED,
    PURCHASE,
    RESERVED,
    RESPONSE,
    RETURNED,
    SENT,
)
from models.domain.profile import LANE_CAPACITY
from models.policy.eligibility import look_backs
from models.policy.schema import Policy


def lanes_looked_at(policy: Policy) -> frozenset[str]:
    """Return the lanes of which a decision under `policy` may ask for more than they hold."""
    return frozenset(_lanes(policy))


def _lanes(policy: Policy) -> Iterator[str]:
    yield from (PURCHASE, RESPONSE, RETURNED)  # cool-downs, and what takes their reasons back
    yield GRANTED
    if policy.contact.caps:
        yield from (CONTACT, SENT, RESERVED)
    for rule in policy.eligibility:
        for condition in look_backs(rule.when):
            known = EVENT_TYPES.get(condition.type)
            # A declared type may be in any.
            yield from LANE_CAPACITY if known is None else (known.lane,)
