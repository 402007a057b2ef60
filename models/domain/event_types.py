"""The built-in event types: one declaration each, which the rest follows.

A server's settings may declare further types (`event_types`), each like one of these: it then does
all that this one does.
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
# What takes an earlier event back.
RETURNED = "returned"
# What the customer did, which the model reads and a cool-down looks at.
INTERACTION_LANES = (BROWSE, CART, PURCHASE, RESPONSE)
# What was done to the customer, or is about to be.
CONTACT_LANES = (CONTACT, SENT, RESERVED, GRANTED)


FEW, MANY = 100, 500  # facts of one type that a compartment keeps of what lanes let go of


class EventType(NamedTuple):
    """What an event of one type does.

    `lane` remembers it; of what the lane lets go of at most `facts` are kept for rules
    (`models.domain.facts`). `weight` is what it counts in the history that stage one reads, unless
    a configuration says otherwise; 0: nothing. `answers` starts the cool-down after a purchase
    ("taken") or after a decline ("declined") of the offer that it names. `verb` is how an
    explanation tells it, before the name of an item; the type itself without one. `own` types are
    recorded by decisions alone: nobody may send one. What is `about` something counts by the item
    or the offer that it names alone.
    """

    name: str
    lane: str
    facts: int = FEW
    weight: float = 0.0
    answers: Literal["", "taken", "declined"] = ""
    verb: str = ""
    own: bool = False
    about: bool = False


BUILT_IN = (
    EventType("view", BROWSE, weight=1.0, verb="looked at", about=True),
    EventType("search", BROWSE),
    EventType("session", BROWSE, weight=1.0),
    EventType("call", BROWSE, weight=1.0),
    EventType("add_to_cart", CART, weight=1.0, verb="put in the cart", about=True),
    EventType("remove_from_cart", CART, about=True),
    EventType("purchase", PURCHASE, MANY, weight=1.0, verb="bought", about=True),
    EventType("impression", CONTACT, MANY),
    EventType("open", CONTACT),
    EventType("sent", SENT, MANY),
    EventType("reserved", RESERVED, MANY, own=True),
    EventType("granted", GRANTED, MANY, own=True),
    EventType("click", RESPONSE, weight=1.0, about=True),
    EventType("accept", RESPONSE, MANY, answers="taken", about=True),
    EventType("dismiss", RESPONSE, MANY, answers="declined", about=True),
    EventType("redeem", RESPONSE, MANY, weight=1.0, answers="taken", about=True),
    EventType("unsubscribe", RESPONSE),
    EventType("return", RETURNED, MANY),
    EventType("void", RETURNED, MANY),
    EventType("attributes_changed", ATTRIBUTE),
)

EVENT_TYPES: Mapping[str, EventType] = {type_.name: type_ for type_ in BUILT_IN}
OWN_TYPES = frozenset(type_.name for type_ in BUILT_IN if type_.own)
# What uses an offer up; an acceptance only says that it is wanted.
USED = frozenset({"redeem"})
TAKEN = frozenset(type_.name for type_ in BUILT_IN if type_.answers == "taken")
DECLINED = frozenset(type_.name for type_ in BUILT_IN if type_.answers == "declined")
TYPE_WEIGHTS: Mapping[str, float] = {type_.name: type_.weight for type_ in BUILT_IN if type_.weight}
VERBS: Mapping[str, str] = {type_.name: type_.verb for type_ in BUILT_IN if type_.verb}
