"""The closed list of changes that might have shown an offer, and a decision's inputs after one."""

import dataclasses
from enum import IntEnum

import msgspec
from msgspec.structs import replace

from models.decision.inputs import DecisionInputs
from models.decision.outcome import lead_of
from models.decision.stages import Stages
from models.domain.catalogue import Money, Row, Stock, in_stock
from models.domain.events import Event, Stamp
from models.domain.fold import fold
from models.domain.profile import Attribute, Compartment, Profile
from models.ranking.expected_value import log_factor_of

CENT = 10_000_000  # nanos: the step of a price
FACTORS = (0.1, 10.0)  # of a lever
FACTOR_STEP = 1000  # a factor is told in thousandths


class CounterfactualKind(IntEnum):
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
    {
        CounterfactualKind.STOCK,
        CounterfactualKind.TIME,
        CounterfactualKind.PRICE,
        CounterfactualKind.LEVER,
        CounterfactualKind.EVENT,
        CounterfactualKind.CASE,
        CounterfactualKind.VOLUME,
    }
)


class Counterfactual(msgspec.Struct, frozen=True, kw_only=True):
    """One change; `lift` is what it adds to the offer's score, in units of 2^-20."""

    kind: CounterfactualKind
    about: str = ""
    value: float = 0.0
    at: int = 0
    text: str = ""
    score_lift: int = 0


def apply_counterfactual(stages: Stages, offer: str, change: Counterfactual) -> DecisionInputs:
    """Return the inputs of a decision after a change about an offer of the catalogue."""
    inputs, shared = stages.inputs, stages.inputs.shared
    index = shared.index
    row = index.rows.row_of(offer)
    assert row is not None, "a change is about an offer that there is"
    match change.kind:
        case CounterfactualKind.STOCK:
            lead = index.catalogue.items[index.rows.item_ids[lead_of(stages, row)]]
            rows = {id(one): one for one in (index.catalogue.row(offer), lead) if one is not None}
            return _with_rows(inputs, [_stocked(one, change, inputs.now) for one in rows.values()])
        case CounterfactualKind.TIME:
            return inputs._replace(now=change.at)
        case CounterfactualKind.PRICE:
            known = index.catalogue.row(offer)
            assert known is not None, "the index has only what the catalogue has"
            assert known.price is not None, "a price is changed, never made up"
            return _with_rows(inputs, [replace(known, price=priced(known.price, change.value))])
        case CounterfactualKind.LEVER | CounterfactualKind.RATE:
            lifts = {
                **shared.score_lifts,
                offer: shared.score_lifts.get(offer, 0) + change.score_lift,
            }
            return inputs._replace(shared=dataclasses.replace(shared, score_lifts=lifts))
        case CounterfactualKind.EVENT:
            item = index.rows.item_ids[lead_of(stages, row)]
            return inputs._replace(profile=_with_event(inputs, change.about, item))
        case CounterfactualKind.CASE | CounterfactualKind.ATTRIBUTE:
            return inputs._replace(profile=_with_attribute(inputs, change.about, change.text))
        case CounterfactualKind.VOLUME:
            return inputs._replace(
                shared=dataclasses.replace(shared, exhausted=shared.exhausted - {offer})
            )


def priced(price: Money, amount: float) -> Money:
    """Return `amount` units of the currency of `price`, to the cent."""
    units, cents = divmod(round(amount * 100), 100)
    return Money(price.currency, units, cents * CENT)


def lever(lift: int) -> Counterfactual | None:
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
    return Counterfactual(
        kind=CounterfactualKind.LEVER, value=factor, score_lift=log_factor_of(factor)
    )


def _with_rows(inputs: DecisionInputs, rows: list[Row]) -> DecisionInputs:
    shared = inputs.shared
    catalogue = shared.index.catalogue
    index = shared.index.update(catalogue.apply(catalogue.revision, rows))
    return inputs._replace(shared=dataclasses.replace(shared, index=index))


def _stocked(row: Row, change: Counterfactual, now: int) -> Row:
    """Return a row with as many pieces at the place; as it is where there are some already."""
    if in_stock(row.stock, change.about):
        return row
    kept = tuple(entry for entry in row.stock if entry.place != change.about)
    return replace(row, stock=(*kept, Stock(change.about, int(change.value), now)))


def _with_event(inputs: DecisionInputs, type_: str, item: str) -> Profile:
    profile = inputs.profile
    identifier = next(iter(profile.compartments), profile.customer)
    event = Event(
        event_id=f"what if {type_} {item}",
        identifier=identifier,
        type=type_,
        channel=inputs.request.channel,
        time=inputs.now,
        item=item,
    )
    compartment = profile.compartments.get(identifier, Compartment())
    return _with(profile, identifier, fold(compartment, [event]))


def _with_attribute(inputs: DecisionInputs, name: str, value: str) -> Profile:
    """Return the profile with an attribute as if it had been told just now."""
    profile = inputs.profile
    identifier = next(iter(profile.compartments), profile.customer)
    compartment = profile.compartments.get(identifier, Compartment())
    told = Attribute(Stamp(1, inputs.now + 1, 0), value)
    attributes = {**compartment.attributes, name: told}
    return _with(profile, identifier, replace(compartment, attributes=attributes))


def _with(profile: Profile, identifier: bytes, compartment: Compartment) -> Profile:
    compartments = {**profile.compartments, identifier: compartment}
    return replace(profile, compartments=compartments)
