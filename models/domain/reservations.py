"""What a decision records of itself, so that limits hold before anything is sent or shown.

A reservation counts as a contact until it is confirmed by an event of the same decision, or until
it lapses by age; nothing takes it back. A grant says that the customer got one of an offer's
limited volume, for good.
"""

from models.domain.events import Event


def reserved(identifier: bytes, decision_id: str, channel: str, now: int, offer: str) -> Event:
    """Return the reservation of one contact on `channel` at `now` (microseconds).

    Of `offer`, under a limit of that offer or of its group; "": of the message as a whole.
    """
    event_id = f"reserve:{decision_id}:{offer}" if offer else f"reserve:{decision_id}"
    return _event("reserved", event_id, identifier, decision_id, channel, now, offer)


def granted(identifier: bytes, decision_id: str, channel: str, now: int, offer: str) -> Event:
    """Return what says that the customer got one of the limited volume of `offer`."""
    event_id = f"grant:{decision_id}:{offer}"
    return _event("granted", event_id, identifier, decision_id, channel, now, offer)


def _event(
    type_: str,
    event_id: str,
    identifier: bytes,
    decision_id: str,
    channel: str,
    now: int,
    offer: str,
) -> Event:
    return Event(
        event_id=event_id,
        identifier=identifier,
        type=type_,
        channel=channel,
        time=now,
        offer=offer,
        decision_id=decision_id,
    )
