"""Whether a selector is about an offer, and whether a condition holds, in one situation.

What happened lately is looked up in what the profile remembers: the latest 150 acts of browsing,
100 purchases and so on (`models.profile.LANE_CAPACITY`), so a count can be no higher than that.
"""

import math
from typing import NamedTuple
from zoneinfo import ZoneInfo

from models.catalogue import Money, Row, offer_id
from models.events import EVENT_TYPES
from models.features import DAY
from models.local_time import local, within
from models.policy import (
    AllOf,
    AnyOf,
    AtPlace,
    AtTime,
    AttributeIs,
    Condition,
    HappenedLately,
    OfferHas,
    Selector,
)
from models.profile import View

_NANOS = 10**9


class Situation(NamedTuple):
    """What conditions are about: a customer at a place ("" for none) at `now` (microseconds).

    `zone` is the customer's. Conditions about the offer hold of none while there is none.
    """

    view: View
    place: str
    now: int
    zone: ZoneInfo
    offer: Row | None = None


def selects(selector: Selector, offer: Row) -> bool:
    """Tell whether a selector is about an offer; an item stands for its default offer."""
    return (
        (not selector.offers or offer_id(offer) in selector.offers)
        and (not selector.groups or not set(selector.groups).isdisjoint(offer.groups))
        and (not selector.classes or offer.offer_class in selector.classes)
        and (not selector.sensitivities or offer.sensitivity in selector.sensitivities)
        and all(
            not set(values).isdisjoint(offer.features.get(name, ()))
            for name, values in selector.features.items()
        )
    )


def holds(condition: Condition, situation: Situation) -> bool:
    """Tell whether a condition holds."""
    match condition:
        case AttributeIs():
            return _attribute_is(condition, situation.view)
        case HappenedLately():
            return _happened(condition, situation)
        case AtPlace():
            return situation.place in condition.one_of
        case AtTime():
            return _at_time(condition, situation)
        case OfferHas():
            return situation.offer is not None and offer_has(condition, situation.offer)
        case AnyOf():
            return any(holds(part, situation) for part in condition.of)
        case AllOf():
            return all(holds(part, situation) for part in condition.of)
        case _:
            return not any(holds(part, situation) for part in condition.of)


def offer_has(condition: OfferHas, offer: Row) -> bool:
    """Tell whether price, value and margin are within bounds; what is unknown is within none."""
    price, value = amount(offer.price), amount(offer.value)
    return (
        _bounded(price, condition.price_at_least, condition.price_at_most)
        and _bounded(value, condition.value_at_least, None)
        and _bounded(margin(offer), condition.margin_at_least, None)
    )


def amount(money: Money | None) -> float:
    """Return money in units of its currency, as exactly as a float can; NaN for none."""
    return math.nan if money is None else _nanos(money) / _NANOS


def margin(offer: Row) -> float:
    """Return the value as a share of the price; NaN where they do not say."""
    price, value = offer.price, offer.value
    if price is None or value is None or price.currency != value.currency:
        return math.nan
    return _nanos(value) / _nanos(price) if _nanos(price) > 0 else math.nan


def _nanos(money: Money) -> int:
    return money.units * _NANOS + money.nanos


def _attribute_is(condition: AttributeIs, view: View) -> bool:
    value = view.attributes.get(condition.name, "")
    if not value or (condition.one_of and value not in condition.one_of):
        return False
    return _bounded(_number(value), condition.at_least, condition.at_most)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _bounded(number: float, least: float | None, most: float | None) -> bool:
    """Tell whether a number is within bounds; one that is not known is within none but no bound."""
    return (least is None or number >= least) and (most is None or number <= most)


def _happened(condition: HappenedLately, situation: Situation) -> bool:
    lanes = situation.view.lanes
    lane = EVENT_TYPES.get(condition.type)
    # A declared type is remembered in the lane of the one that it behaves like: look at all.
    looked = lanes.values() if lane is None else (lanes.get(lane, ()),)
    since = situation.now - condition.days * DAY
    count = sum(
        entry.type == condition.type
        and entry.rank == 1
        and entry.at > since
        and (not condition.channels or entry.channel in condition.channels)
        and (not condition.items or entry.item in condition.items)
        and (not condition.offers or entry.offer in condition.offers)
        for entries in looked
        for entry in entries
    )
    if condition.at_least is None and condition.at_most is None:
        return count > 0
    return _bounded(count, condition.at_least, condition.at_most)


def _at_time(condition: AtTime, situation: Situation) -> bool:
    moment = local(situation.now, situation.zone)
    for bound, after in ((condition.since, True), (condition.until, False)):
        if bound is None:
            continue
        # A time without an offset is the customer's own.
        reached = (moment if bound.tzinfo else moment.replace(tzinfo=None)) >= bound
        if reached is not after:
            return False
    return within(moment, condition.start, condition.end, condition.weekdays)
