"""What is taken and yet counts for nothing, or for less than its sender may think.

A new warning is one line here and one value of `EventWarning` in the contract, under the same
number (then `make protos`).
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Self

from models.domain.catalogue import Catalogue
from models.domain.event_types import EventType
from models.domain.events import Event
from models.domain.input.zones import zone_fault


class Warned(IntEnum):
    """What the sender of an event should know; the number is the contract's, `words` are read."""

    words: str

    def __new__(cls, number: int, words: str = "") -> Self:
        """Return the warning of this number."""
        warned = int.__new__(cls, number)
        warned._value_ = number
        warned.words = words
        return warned

    ABOUT_NOTHING = 1, "about no item and no offer: it counts for nothing"
    UNKNOWN_ITEM = 2, "about an item that the catalogue does not have (yet)"
    UNKNOWN_OFFER = 3, "about an offer that the catalogue does not have (yet)"
    UNKNOWN_DECISION = 4, "answers a decision that there is not, or no longer"
    FOREIGN_DECISION = 5, "answers a decision about another customer"
    NOT_A_TIME_ZONE = 6, "states a time zone that there is not: the policy's holds instead"


def is_about_nothing(like: EventType | None, about: bool) -> bool:
    """Tell whether an event is of a type that counts only by what it is about, and is not."""
    return like is not None and like.about and not about


def content_warnings(
    event: Event, like: EventType | None, catalogue: Catalogue, zone_attribute: str
) -> Iterator[Warned]:
    """Yield what an event by itself, and beside the catalogue, is warned of.

    `zone_attribute` is the attribute by which the policy knows the time zone of a customer.
    """
    if is_about_nothing(like, bool(event.item or event.offer)):
        yield Warned.ABOUT_NOTHING
    if event.item and event.item not in catalogue.items:
        yield Warned.UNKNOWN_ITEM
    if event.offer and catalogue.offer(event.offer) is None:
        yield Warned.UNKNOWN_OFFER
    zone = event.attributes.get(zone_attribute)
    if zone and zone_fault(zone):
        yield Warned.NOT_A_TIME_ZONE
