"""The entry: what a profile remembers of one event."""

import msgspec


class Entry(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """One remembered event; ordered canonically, `key` being the first half of the event's.

    `decision` is the `decision_key` of the decision that a contact belongs to; of what takes an
    event back it is the `key` of that event; 0 for none, and for what was stored before there was
    one. `quantity` is how many or how much; 0: not said.
    """

    rank: int
    at: int
    key: int
    type: str
    channel: str
    item: str
    offer: str
    decision: int = 0
    quantity: int | float = 0


def latest(entries: list[Entry], capacity: int) -> tuple[Entry, ...]:
    """Return the latest `capacity` of `entries`, in canonical order."""
    entries.sort()
    return tuple(entries[-capacity:])
