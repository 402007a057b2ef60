"""What was returned is not learnt from: neither what was taken back whole, nor the return."""

from collections.abc import Mapping, Sequence

from models.domain.event_types import PURCHASE, RETURNED, EventType
from models.domain.events import Event, event_key, stamp_of
from models.domain.fold import entry_of
from models.domain.returns import taken_back
from models.domain.rule_history import REDEEM


def without_returned(
    events: Sequence[Event], event_types: Mapping[str, EventType]
) -> tuple[Event, ...]:
    """Return a customer's events, in canonical order, as if what was taken back had never been.

    Also where it was taken back long after: a model is to propose what is kept. `event_types` maps
    each known type to the built-in one that it is like.
    """
    returns = [one for one in events if event_types[one.type].lane == RETURNED]
    if not returns:
        return tuple(events)
    purchases = [one for one in events if event_types[one.type].lane == PURCHASE]
    redemptions = [one for one in events if event_types[one.type].name == REDEEM]
    entries = [
        [entry_of(one, stamp_of(one), event_types[one.type].lane) for one in part]
        for part in (returns, purchases, redemptions)
    ]
    gone = taken_back(*entries)
    return tuple(
        one
        for one in events
        if event_types[one.type].lane != RETURNED and event_key(one.event_id) >> 32 not in gone
    )
