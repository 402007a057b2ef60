"""The closed list of changes that might have shown an offer, and a decision's inputs after one."""

import dataclasses
from enum import IntEnum
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from models.decision.decide import Deciding, World
from models.decision.outcome import lead_of
from models.domain.catalogue import Money, Row, Stock, in_stock
from models.domain.decisions import Request
from models.domain.events import Event, Stamp
from models.domain.fold import fold
from models.domain.profile import Attribute, Compartment, Profile
from models.ranking.expected_value import log_factor_of

CENT = 10_000_000  # nanos: the step of a price
FACTORS = (0.1, 10.0)  # of a lever
FACTOR_STEP = 1000  # a factor is told in thousandths


class Kind(IntEnum):
    """What is changed, and in which unit; the numbers are the contract's."""

    STOCK = 1  # so many pieces at the place `about`
    TIME = 2  # asked at `at` (microseconds), everything else as it was
    PRICE = 3  # the price, in units of its currency
    LEVER = 4  # a weight on this offer alone, a factor from 0.1 to 10
    RATE = 5  # the rate that the release would have to know it at, 0 to 1
    EVENT = 6  # one more event of the type `about` with the item that leads it
    CASE = 7  # the customer's open case closed
    ATTRIBUTE = 8  # the customer's attribute `about`, as `text`
    VOLUME = 9  # so many more of its limited volume


# What somebody can bring about. The rest is what it is: it is named, and nobody is told to do it.
ADVISED = frozenset(
    {Kind.STOCK, Kind.TIME, Kind.PRICE, Kind.LEVER, Kind.EVENT, Kind.CASE, Kind.VOLUME}
)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change; `lift` is what it adds to the offer's score, in units of 2^-20."""

    kind: Kind
    about: str = ""
    value: float = 0.0
    at: int = 0
    text: str = ""
    lift: int = 0


class Case(NamedTuple):
    """The inputs of one decision."""

    profile: Profile
    world: World
    request: Request
    now: int
    blind: bool = False

    def deciding(self) -> Deciding:
        """Decide."""
        return Deciding(self.profile, self.world, self.request, self.now, blind=self.blind)


def changed(case: Case, deciding: Deciding, offer: str, change: Change) -> Case:
    """Return the inputs after a change about an offer of the catalogue.

    `deciding` is the decision of `case`.
    """
    index, world = deciding.world.index, case.world
    row = index.row_of(offer)
    assert row is not None, "a change is about an offer that there is"
    match change.kind:
        case Kind.STOCK:
            lead = index.catalogue.items[index.item_ids[lead_of(deciding, row)]]
            rows = {id(one): one for one in (index.catalogue.row(offer), lead) if one is not None}
            return _with_rows(case, [_stocked(one, change, case.now) for one in rows.values()])
        case Kind.TIME:
            return case._replace(now=change.at)
        case Kind.PRICE:
            known = index.catalogue.row(offer)
            assert known is not None, "the index has only what the catalogue has"
            assert known.price is not None, "a price is changed, never made up"
            return _with_rows(case, [replace(known, price=priced(known.price, change.value))])
        case Kind.LEVER | Kind.RATE:
            lifts = {**world.lifts, offer: world.lifts.get(offer, 0) + change.lift}
            return case._replace(world=dataclasses.replace(world, lifts=lifts))
        case Kind.EVENT:
            item = index.item_ids[lead_of(deciding, row)]
            return case._replace(profile=_with_event(case, change.about, item))
        case Kind.CASE | Kind.ATTRIBUTE:
            return case._replace(profile=_with_attribute(case, change.about, change.text))
        case Kind.VOLUME:
            return case._replace(
                world=dataclasses.replace(world, exhausted=world.exhausted - {offer})
            )


def priced(price: Money, amount: float) -> Money:
    """Return `amount` units of the currency of `price`, to the cent."""
    units, cents = divmod(round(amount * 100), 100)
    return Money(price.currency, units, cents * CENT)


def lever(lift: int) -> Change | None:
    """Return the least lever that adds `lift` to a score, None where a lever may not be so high."""
    thousandths = round(FACTORS[0] * FACTOR_STEP)
    most = round(FACTORS[1] * FACTOR_STEP)
    if log_factor_of(most / FACTOR_STEP) < lift:
        return None
    while thousandths < most:
        middle = (thousandths + most) // 2
        if log_factor_of(middle / FACTOR_STEP) >= lift:
            most = middle
        else:
            thousandths = middle + 1
    factor = most / FACTOR_STEP
    return Change(kind=Kind.LEVER, value=factor, lift=log_factor_of(factor))


def _with_rows(case: Case, rows: list[Row]) -> Case:
    world = case.world
    catalogue = world.index.catalogue
    index = world.index.update(catalogue.apply(catalogue.revision, rows))
    return case._replace(world=dataclasses.replace(world, index=index))


def _stocked(row: Row, change: Change, now: int) -> Row:
    """Return a row with as many pieces at the place; as it is where there are some already."""
    if in_stock(row.stock, change.about):
        return row
    kept = tuple(entry for entry in row.stock if entry.place != change.about)
    return replace(row, stock=(*kept, Stock(change.about, int(change.value), now)))


def _with_event(case: Case, type_: str, item: str) -> Profile:
    profile = case.profile
    identifier = next(iter(profile.compartments), profile.customer)
    event = Event(
        event_id=f"what if {type_} {item}",
        identifier=identifier,
        type=type_,
        channel=case.request.channel,
        time=case.now,
        item=item,
    )
    compartment = profile.compartments.get(identifier, Compartment())
    return _with(profile, identifier, fold(compartment, [event]))


def _with_attribute(case: Case, name: str, value: str) -> Profile:
    """Return the profile with an attribute as if it had been told just now."""
    profile = case.profile
    identifier = next(iter(profile.compartments), profile.customer)
    compartment = profile.compartments.get(identifier, Compartment())
    told = Attribute(Stamp(1, case.now + 1, 0), value)
    attributes = {**compartment.attributes, name: told}
    return _with(profile, identifier, replace(compartment, attributes=attributes))


def _with(profile: Profile, identifier: bytes, compartment: Compartment) -> Profile:
    compartments = {**profile.compartments, identifier: compartment}
    return replace(profile, compartments=compartments)
