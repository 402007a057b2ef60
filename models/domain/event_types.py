"""The built-in event types: one declaration each, which the rest follows.

A server's settings may declare further types (`event_types`), each like one of these: it is then
remembered in the same lane.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

# The lanes of a profile. Lanes are bounded one by one, so that a hundred impressions cannot push a
# purchase out of memory.
BROWSE, CART, PURCHASE, CONTACT, RESPONSE, ATTRIBUTE = (
    "browse",
    "cart",
    "purchase",
    "contact",
    "response",
    "attribute",
)
# Contacts that are limited have lanes of their own, so that neither impressions nor reservations
# that nobody confirmed push a message that was sent out of memory.
SENT, RESERVED, GRANTED = ("sent", "reserved", "granted")
# What the customer did, which the model reads and a cool-down looks at.
INTERACTION_LANES = (BROWSE, CART, PURCHASE, RESPONSE)
# What was done to the customer, or is about to be.
CONTACT_LANES = (CONTACT, SENT, RESERVED, GRANTED)


class EventType(NamedTuple):
    """What an event of one type does.

    `lane` remembers it. `weight` is what it counts in the history that stage one reads, unless a
    configuration says otherwise; 0: nothing. `answers` starts the cool-down after a purchase
    ("taken") or after a decline ("declined") of the offer that it names. `verb` is how an
    explanation tells it, before the name of an item; the type itself without one. `own` types are
    recorded by decisions alone: nobody may send one.
    """

    name: str
    lane: str
    weight: float = 0.0
    answers: Literal["", "taken", "declined"] = ""
    verb: str = ""
    own: bool = False


BUILT_IN = (
    EventType("view", BROWSE, weight=1.0, verb="looked at"),
    EventType("search", BROWSE),
    EventType("session", BROWSE, weight=1.0),
    EventType("call", BROWSE, weight=1.0),
    EventType("add_to_cart", CART, weight=1.0, verb="put in the cart"),
    EventType("remove_from_cart", CART),
    EventType("purchase", PURCHASE, weight=1.0, verb="bought"),
    EventType("impression", CONTACT),
    EventType("open", CONTACT),
    EventType("sent", SENT),
    EventType("reserved", RESERVED, own=True),
    EventType("granted", GRANTED, own=True),
    EventType("click", RESPONSE, weight=1.0),
    EventType("accept", RESPONSE, answers="taken"),
    EventType("dismiss", RESPONSE, answers="declined"),
    EventType("redeem", RESPONSE, weight=1.0, answers="taken"),
    EventType("unsubscribe", RESPONSE),
    EventType("attributes_changed", ATTRIBUTE),
)

EVENT_TYPES: Mapping[str, str] = {type_.name: type_.lane for type_ in BUILT_IN}
OWN_TYPES = frozenset(type_.name for type_ in BUILT_IN if type_.own)
TAKEN = frozenset(type_.name for type_ in BUILT_IN if type_.answers == "taken")
DECLINED = frozenset(type_.name for type_ in BUILT_IN if type_.answers == "declined")
TYPE_WEIGHTS: Mapping[str, float] = {type_.name: type_.weight for type_ in BUILT_IN if type_.weight}
VERBS: Mapping[str, str] = {type_.name: type_.verb for type_ in BUILT_IN if type_.verb}
