"""How long a contact counts under a cap, and up to when contacts that count may be missing."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from models.clock_time import DAY
from models.domain.event_types import CONTACT, RESERVED, SENT
from models.domain.rule_history import Gap, RuleHistory
from models.policy.contact_log import IMPRESSION, reservation_length
from models.policy.schema import Cap, Contact
from models.policy.windows import window_of


def length_of(cap: Cap) -> int:
    """Return the length of a rolling window, in microseconds."""
    return round((cap.days or 0) * DAY)


def over_at(cap: Cap, at: int, zone: ZoneInfo) -> int:
    """Return the moment at which a contact of `at` counts no more under a cap (microseconds)."""
    if cap.calendar is None:
        return at + length_of(cap)
    return window_of(at, cap.calendar, zone)[1]


def gaps_of(cap: Cap, history: RuleHistory, contact: Contact) -> Iterator[Gap]:
    """Yield what may be missing of contacts of the types that count under a cap."""
    lanes = {SENT: SENT, RESERVED: RESERVED}
    if not cap.channels or not set(cap.channels) <= set(contact.outbound):
        lanes[CONTACT] = IMPRESSION
    for lane, type_ in lanes.items():
        for gap in history.gaps(lane):
            if gap.lane or history.like(gap.type) == type_:
                yield gap


def gap_ends(cap: Cap, gap: Gap, contact: Contact, zone: ZoneInfo) -> int:
    """Return when nothing that may be missing counts any more under a cap (microseconds)."""
    reserved = RESERVED in (gap.lane, gap.type)
    ends = gap.until + reservation_length(contact) if reserved else gap.until
    if cap.per == "person" and reserved:
        return ends  # which offers a message held is of no account
    return max(ends, over_at(cap, gap.until, zone))
