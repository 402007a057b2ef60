"""Whether a condition on the customer, the place or the time holds in one situation.

What happened lately is looked up in what the profile remembers: the latest 150 acts of browsing,
100 purchases and so on (`models.domain.profile.LANE_CAPACITY`), so a count can be no higher than
that.
"""

import math
from typing import NamedTuple
from zoneinfo import ZoneInfo

from models.clock_time import DAY, local, within
from models.domain.event_types import EVENT_TYPES
from models.domain.exchange import Exchange
from models.domain.view import View
from models.policy.schema import (
    AtPlace,
    AtTime,
    AttributeIs,
    CustomerCondition,
    HappenedLately,
)


class Situation(NamedTuple):
    """What conditions are about: a customer at a place ("" for none) at `now` (microseconds).

    `zone` is the customer's; `exchange` is what amounts of offers are compared in.
    """

    view: View
    place: str
    now: int
    zone: ZoneInfo
    exchange: Exchange


def holds(condition: CustomerCondition, situation: Situation) -> bool:
    """Tell whether a condition on customer, place or time holds."""
    match condition:
        case AttributeIs():
            return _attribute_is(condition, situation.view)
        case HappenedLately():
            return _happened(condition, situation)
        case AtPlace():
            return situation.place in condition.one_of
        case _:
            return _at_time(condition, situation)


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
