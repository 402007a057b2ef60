"""Events that come in: their attributes, and what goes with which type."""

from collections.abc import Iterator, Mapping

from models.domain.event_types import ATTRIBUTE, RETURNED, EventType
from models.domain.input import limits
from models.domain.input.reasons import Fault, Refusal
from models.domain.input.sizes import size_fault
from models.domain.input.texts import text_fault


def attributes_faults(attributes: Mapping[str, str]) -> Iterator[Fault]:
    """Yield what is wrong with the attributes that a customer is said to have."""
    if fault := size_fault(len(attributes), limits.ATTRIBUTES):
        yield Fault("", fault)
        return
    for name, value in attributes.items():
        if fault := text_fault(name, limits.ATTRIBUTE_NAME_BYTES, required=True):
            yield Fault(".key", fault)
        if fault := text_fault(value, limits.ATTRIBUTE_VALUE_BYTES):
            yield Fault(".value", fault)


def together_faults(
    like: EventType | None, of_event: bool, about: bool, attributes: bool
) -> Iterator[Fault]:
    """Yield what does not go with the type of an event.

    `of_event` tells whether it names the event that it takes back, `about` whether it names an item
    or an offer, `attributes` whether it states any.
    """
    takes_back = like is not None and like.lane == RETURNED
    if of_event and not takes_back:
        yield Fault("of_event", Refusal.ONLY_WITH_RETURN)
    if takes_back and not (of_event or about):
        yield Fault("of_event", Refusal.REQUIRED)
    changes = like is not None and like.lane == ATTRIBUTE
    if attributes and not changes:
        yield Fault("attributes", Refusal.ONLY_WITH_ATTRIBUTES_CHANGED)
    if changes and not attributes:
        yield Fault("attributes", Refusal.REQUIRED)


def discount_fault(discount: str, amount: str | None) -> str:
    """Return what is wrong with a discount in one currency on an amount in another, or on none."""
    return "" if amount is not None and discount == amount else Refusal.ONLY_WITH_AN_AMOUNT
