"""Whether a condition on the customer, the place or the time holds in one situation.

What happened lately is counted in what the profile keeps for rules (`models.domain.rule_history`);
where more may have happened than it keeps, `undetermined` says so.
"""

import math
from collections.abc import Iterable
from datetime import tzinfo
from typing import NamedTuple

from models.clock_time import DAY, local, within
from models.domain.entry import Entry
from models.domain.event_types import EVENT_TYPES
from models.domain.exchange import Exchange
from models.domain.profile import LANE_CAPACITY
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
    zone: tzinfo
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


def undetermined(condition: HappenedLately, situation: Situation) -> bool:
    """Tell whether more of what is counted may have happened than is known, so that it matters."""
    if not situation.view.rule_history.bounded:
        return False
    count, most = counted(condition, situation), condition.at_most
    if count > most if most is not None else count >= (condition.at_least or 1):
        return False  # more would change nothing
    history = situation.view.rule_history
    since = situation.now - condition.days * DAY
    return any(
        gap.until > since
        and gap.type in ("", condition.type)
        and (gap.of is None or _is_about(condition, gap.of))
        for lane in _lanes(condition)
        for gap in history.gaps(lane)
    )


def counted(condition: HappenedLately, situation: Situation) -> int:
    """Return how often what a condition is about is known to have happened lately."""
    since = situation.now - condition.days * DAY
    history = situation.view.rule_history
    return sum(
        entry.rank == 1 and entry.at > since and _is_about(condition, entry)
        for lane in _lanes(condition)
        for entry in history.standing(lane)
    )


def _happened(condition: HappenedLately, situation: Situation) -> bool:
    count = counted(condition, situation)
    if condition.at_least is None and condition.at_most is None:
        return count > 0
    return _bounded(count, condition.at_least, condition.at_most)


def _lanes(condition: HappenedLately) -> Iterable[str]:
    known = EVENT_TYPES.get(condition.type)
    # A declared type is remembered in the lane of the one that it behaves like: look at all.
    return LANE_CAPACITY if known is None else (known.lane,)


def _is_about(condition: HappenedLately, entry: Entry) -> bool:
    return (
        entry.type == condition.type
        and (not condition.channels or entry.channel in condition.channels)
        and (not condition.items or entry.item in condition.items)
        and (not condition.offers or entry.offer in condition.offers)
    )


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
