"""Which offers an eligibility rule bars, as masks over all of them."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from models.domain.exchange import Exchange
from models.domain.selectors import OfferHas, Selector
from models.numeric.array_types import Mask
from models.policy.conditions import Situation, holds
from models.policy.schema import AllOf, AnyOf, Condition, Eligibility, HappenedLately, NoneOf
from models.policy.selector_masks import SelectorMasks


def barred(selections: SelectorMasks, rule: Eligibility, situation: Situation) -> Mask:
    """Return the rows that an eligibility rule bars."""
    about = selections.mask(rule.about)
    found: bool | Mask = True
    for condition in rule.when:
        found = found & met(selections, condition, situation)
    if rule.bar:
        return about & found
    return about & ~np.asarray(found, np.bool_)


def met(selections: SelectorMasks, condition: Condition, situation: Situation) -> bool | Mask:
    """Tell whether a condition holds: for all offers alike, or by row where it is about offers."""
    match condition:
        case OfferHas():
            return offers_having(selections, condition, situation.exchange)
        case AnyOf():
            return _folded(selections, condition.of, situation, np.logical_or, False)
        case AllOf():
            return _folded(selections, condition.of, situation, np.logical_and, True)
        case NoneOf():
            return np.logical_not(
                _folded(selections, condition.of, situation, np.logical_or, False)
            )
        case _:
            return holds(condition, situation)


def look_backs(conditions: Iterable[Condition]) -> Iterator[HappenedLately]:
    """Yield what conditions count of what happened lately, however they are joined."""
    for condition in conditions:
        if isinstance(condition, HappenedLately):
            yield condition
        elif isinstance(condition, AnyOf | AllOf | NoneOf):
            yield from look_backs(condition.of)


def _folded(
    selections: SelectorMasks,
    conditions: tuple[Condition, ...],
    situation: Situation,
    join: Callable[[bool | Mask, bool | Mask], bool | Mask],
    start: bool,
) -> bool | Mask:
    found: bool | Mask = start
    for condition in conditions:
        found = join(found, met(selections, condition, situation))
    return found


def offers_having(selections: SelectorMasks, wanted: OfferHas, exchange: Exchange) -> Mask:
    """Return the rows whose price and value are within bounds; unknown ones are within none.

    Bounds are in units of the currency of `exchange`.
    """
    amounts = selections.amounts(exchange)
    found = selections.select(Selector())
    if wanted.price_at_least is not None:
        found &= amounts.prices.at_least(wanted.price_at_least)
    if wanted.price_at_most is not None:
        found &= amounts.prices.at_most(wanted.price_at_most)
    if wanted.value_at_least is not None:
        found &= amounts.values.at_least(wanted.value_at_least)
    if wanted.margin_at_least is not None:
        found &= amounts.margins.at_least(wanted.margin_at_least)
    return found
