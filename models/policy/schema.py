"""The policy: the business side of a decision, as plain data with a digest that names it.

An empty policy works: every field has a default. Each part says what it is about with a `Selector`,
and names are what a decision gives as the reason that it withheld an offer.
`models/policy/toml_file.py` reads one from TOML.
"""

import hashlib
from datetime import datetime
from functools import cached_property
from typing import Literal

import msgspec

from models.domain.catalogue import Money, OfferClass
from models.domain.channels import OUTBOUND
from models.domain.selectors import OfferHas, Selector, StrictStruct

Like = Literal["default", "discovery", "replenish", "service"]


class AttributeIs(StrictStruct, frozen=True, kw_only=True, tag_field="kind", tag="attribute"):
    """An attribute of the customer: one of some values, or a number within bounds, inclusive.

    Without any of these: it is known.
    """

    name: str
    one_of: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None


class HappenedLately(StrictStruct, frozen=True, kw_only=True, tag_field="kind", tag="event"):
    """How often the customer did or was shown something in the last `days`: within bounds."""

    type: str
    days: float
    channels: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    at_least: int | None = None
    at_most: int | None = None


class AtPlace(StrictStruct, frozen=True, kw_only=True, tag_field="kind", tag="place"):
    """The place asked for is one of some."""

    one_of: tuple[str, ...]


class AtTime(StrictStruct, frozen=True, kw_only=True, tag_field="kind", tag="time"):
    """The customer's local time: within [since, until), on some weekdays, between two times of day.

    Weekdays are 1 (Monday) to 7. `start` > `end` goes over midnight.
    """

    since: datetime | None = None
    until: datetime | None = None
    weekdays: tuple[int, ...] = ()
    start: str = ""
    end: str = ""


class AnyOf(StrictStruct, frozen=True, kw_only=True, tag_field="kind", tag="any"):
    """One of several conditions holds."""

    of: tuple["Condition", ...]


class AllOf(StrictStruct, frozen=True, kw_only=True, tag_field="kind", tag="all"):
    """All of several conditions hold."""

    of: tuple["Condition", ...]


class NoneOf(StrictStruct, frozen=True, kw_only=True, tag_field="kind", tag="none"):
    """None of several conditions holds."""

    of: tuple["Condition", ...]


CustomerCondition = AttributeIs | HappenedLately | AtPlace | AtTime
Condition = CustomerCondition | OfferHas | AnyOf | AllOf | NoneOf


class Eligibility(StrictStruct, frozen=True, kw_only=True):
    """The offers of `about` may be shown, on `channels` (none: all), only when all of `when` hold.

    With `bar` they may not be shown when all of `when` hold; without conditions, never.
    """

    name: str
    about: Selector = Selector()
    channels: tuple[str, ...] = ()
    when: tuple[Condition, ...] = ()
    bar: bool = False


class Cap(StrictStruct, frozen=True, kw_only=True):
    """At most `limit` contacts in a window, counted over `channels` (none: all).

    The window is rolling, `days` long, or the calendar's `day`, `week` (from Monday) or `month` in
    the customer's zone. `per` person: all contacts count, one a message; `offer`: those of each
    offer apart; `group`: those of the offers of `about`, together. Offers of `about` that are not
    transactional are withheld when it is reached. A hard cap is reserved at the decision and never
    exceeded; a soft one counts what was shown. On outbound channels every cap is hard.
    """

    name: str
    limit: int
    per: Literal["person", "offer", "group"] = "person"
    about: Selector = Selector()
    channels: tuple[str, ...] = ()
    days: float | None = None
    calendar: Literal["day", "week", "month"] | None = None
    hard: bool = True


class QuietHours(StrictStruct, frozen=True, kw_only=True):
    """No marketing contact on `channels` from `start` to `end` ("21:00"), customer's local time."""

    name: str
    channels: tuple[str, ...]
    start: str
    end: str
    weekdays: tuple[int, ...] = ()


class CoolDowns(StrictStruct, frozen=True, kw_only=True):
    """How many days an offer is not shown after what the customer did; 0: it is.

    With `category`, a feature's name, a purchase closes all items of the same value for
    `category_days`.
    """

    purchase: float = 30
    decline: float = 30
    category: str = ""
    category_days: float = 30


class Contact(StrictStruct, frozen=True, kw_only=True):
    """How often and when a customer may be approached.

    `outbound` are the channels on which showing is sending. `zone` is the time zone of customers
    whose attribute `zone_attribute` names none. While the attribute `case_attribute` has a value,
    offers that are not of class service or transactional are withheld. A reservation that is not
    confirmed within `reserve_minutes` lapses.
    """

    outbound: tuple[str, ...] = OUTBOUND
    caps: tuple[Cap, ...] = ()
    quiet_hours: tuple[QuietHours, ...] = ()
    cool_downs: CoolDowns = CoolDowns()
    zone: str = "UTC"
    zone_attribute: str = "time_zone"
    case_attribute: str = "open_case"
    reserve_minutes: float = 60


class Lever(StrictStruct, frozen=True, kw_only=True):
    """A manual weight on some offers: bounded, owned, and ended by itself at `until`."""

    name: str
    owner: str
    about: Selector
    factor: float
    until: datetime
    since: datetime | None = None
    intents: tuple[str, ...] = ()


class Arbitration(StrictStruct, frozen=True, kw_only=True):
    """What the ranking is by: rate x value x lever.

    `value` counts only under a release whose label is RESPONSE. An offer without a value, or with
    one in a currency without a rate, counts as `value_unknown`.
    """

    value: bool = True
    value_unknown: Money | None = None


class Currencies(StrictStruct, frozen=True, kw_only=True):
    """What amounts are compared in: `currency` (ISO 4217), and what others are worth in it.

    `rates`: for a unit of each, how much of `currency`, as a decimal of at most 9 digits after the
    point. Without a currency it is that of `value_unknown`, else the one that all prices and values
    of the catalogue are in. An amount in a currency without a rate is unknown.
    """

    currency: str = ""
    rates: dict[str, str | float] = msgspec.field(default_factory=dict)


class AtMost(StrictStruct, frozen=True, kw_only=True):
    """No more than `limit` offers of a slate share a value of `feature`."""

    feature: str
    limit: int


class Exploration(StrictStruct, frozen=True, kw_only=True):
    """Gumbel noise of `temperature` on log scores, drawn anew every `minutes`; 0: none."""

    temperature: float = 0.0
    minutes: int = 60


class Holdout(StrictStruct, frozen=True, kw_only=True):
    """The `share` of customers who get no marketing offers, so that the rest can be compared."""

    share: float = 0.0
    name: str = ""


class IntentRule(StrictStruct, frozen=True, kw_only=True):
    """An intent: behaves like a built-in one; only offers of `classes` (none: all) are shown."""

    like: Like = "default"
    classes: tuple[OfferClass, ...] = ()


class Placement(StrictStruct, frozen=True, kw_only=True):
    """A slot: its intent, how many offers it holds, and which ones may stand there."""

    intent: str = ""
    count: int = 0
    about: Selector = Selector()


class CandidateCounts(StrictStruct, frozen=True, kw_only=True):
    """How many items and explicit offers are looked at for one customer."""

    items: int = 200
    sets: int = 50


class Policy(StrictStruct, frozen=True, kw_only=True, dict=True):
    """What a decision obeys."""

    intents: dict[str, IntentRule] = msgspec.field(default_factory=dict)
    placements: dict[str, Placement] = msgspec.field(default_factory=dict)
    eligibility: tuple[Eligibility, ...] = ()
    contact: Contact = Contact()
    levers: tuple[Lever, ...] = ()
    arbitration: Arbitration = Arbitration()
    money: Currencies = Currencies()
    diversity: tuple[AtMost, ...] = ()
    exploration: Exploration = Exploration()
    holdout: Holdout = Holdout()
    candidates: CandidateCounts = CandidateCounts()

    @cached_property
    def canonical(self) -> bytes:
        """Return the policy as canonical JSON, which is how a registry keeps it.

        Code that says 7 for 7.0 means the same: it is written as it will be read.
        """
        read = msgspec.json.decode(msgspec.json.encode(self), type=Policy)
        return msgspec.json.encode(read, order="deterministic")

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of `canonical`, in hex."""
        return hashlib.sha256(self.canonical).hexdigest()


BUILT_IN = Policy()
