"""What bars offers from a decision: each barrier is a reason, the rule's name, and the rows barred.

Barriers that hold on every channel act before the candidates are found, so that these are the same
whoever asks; those of a channel act afterwards and only withhold. In both lists the first barrier
of an offer is its reason.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from models.conditions import Situation, holds
from models.contact import MARKETING, NOT_TRANSACTIONAL, Contacts
from models.decision import Intent, Reason, Request
from models.draws import unit
from models.fixed import Rows
from models.index import OfferIndex
from models.policy import (
    AllOf,
    AnyOf,
    Condition,
    Eligibility,
    NoneOf,
    OfferHas,
    Policy,
    Selector,
)
from models.search import NONE, Mask

CARE = Selector(classes=("service", "transactional"))


class Barrier(NamedTuple):
    """Why some rows of an index are not shown; `rule` is the policy's name for it, "" without.

    With `leads` an offer is barred, too, where the item that leads it is.
    """

    reason: Reason
    rule: str
    rows: Mask
    leads: bool = False


def intent_of(policy: Policy, intent: str) -> str:
    """Return the built-in intent that `intent` behaves like."""
    rule = policy.intents.get(intent)
    return intent if rule is None else rule.like


def everywhere(
    index: OfferIndex, policy: Policy, situation: Situation, contacts: Contacts, intent: str
) -> list[Barrier]:
    """Return what bars offers on every channel at this moment, before any is a candidate."""
    found = []
    rule = policy.intents.get(intent)
    classes = rule.classes if rule is not None else ()
    about = Selector(classes=classes) if classes else None
    if about is None and intent_of(policy, intent) == Intent.SERVICE:
        about = CARE
    if about is not None:
        found.append(Barrier(Reason.INTENT, intent, ~index.selections.select(about)))
    found += [
        Barrier(Reason.NOT_ELIGIBLE, rule_.name, barred(index, rule_, situation))
        for rule_ in policy.eligibility
        if not rule_.channels
    ]
    found += [
        Barrier(reason, rule_name, index.selections.select(closed))
        for reason, rule_name, closed in contacts.closed_about()
    ]
    return found


def here(
    index: OfferIndex,
    policy: Policy,
    situation: Situation,
    request: Request,
    contacts: Contacts,
    exhausted: frozenset[str],
    seed: bytes,
) -> list[Barrier]:
    """Return what bars offers from the channel and placement that ask, in the order of reasons."""
    selections = index.selections
    found = []
    if held_out(policy, seed):
        found.append(Barrier(Reason.HOLDOUT, policy.holdout.name, selections.mask(MARKETING)))
    found += [
        Barrier(reason, rule, selections.mask(about))
        for reason, rule, about in contacts.suspended(request.channel)
    ]
    found += [
        Barrier(Reason.CHANNEL, "", index.kept_from(request.channel)),
        Barrier(Reason.NO_CREATIVE, "", index.without_creative(request.channel)),
    ]
    found += [
        Barrier(Reason.NOT_ELIGIBLE, rule.name, barred(index, rule, situation))
        for rule in policy.eligibility
        if request.channel in rule.channels
    ]
    if request.place:
        found.append(Barrier(Reason.OUT_OF_STOCK, "", ~index.stocked_at(request.place), True))
    if exhausted:
        found.append(Barrier(Reason.EXHAUSTED, "", _of(index, exhausted)))
    found += [
        Barrier(Reason.CAPPED, cap, _capped(index, about, offers))
        for cap, about, offers in contacts.capped(request.channel)
    ]
    placement = policy.placements.get(request.placement)
    if placement is not None and placement.about != Selector():
        rows = ~selections.mask(placement.about)
        found.append(Barrier(Reason.PLACEMENT, request.placement, rows))
    if request.about != Selector():
        found.append(Barrier(Reason.FILTERED, "", ~selections.select(request.about)))
    if request.having != OfferHas():
        found.append(Barrier(Reason.FILTERED, "", ~_offers_having(index, request.having)))
    if request.exclude:
        found.append(Barrier(Reason.EXCLUDED, "", _of(index, request.exclude)))
    if request.include:
        found.append(Barrier(Reason.NOT_INCLUDED, "", ~_of(index, request.include)))
    return found


def held_out(policy: Policy, seed: bytes) -> bool:
    """Tell whether a person is of the holdout; `seed` is theirs."""
    holdout = policy.holdout
    return holdout.share > 0 and unit(seed, f"holdout {holdout.name}") < holdout.share


def barred(index: OfferIndex, rule: Eligibility, situation: Situation) -> Mask:
    """Return the rows that an eligibility rule bars."""
    about = index.selections.mask(rule.about)
    met: bool | Mask = True
    for condition in rule.when:
        met = met & _met(index, condition, situation)
    if rule.bar:
        return about & met
    return about & ~np.asarray(met, np.bool_)


def _met(index: OfferIndex, condition: Condition, situation: Situation) -> bool | Mask:
    """Tell whether a condition holds: for all offers alike, or by row where it is about offers."""
    match condition:
        case OfferHas():
            return _offers_having(index, condition)
        case AnyOf():
            return _folded(index, condition.of, situation, np.logical_or, False)
        case AllOf():
            return _folded(index, condition.of, situation, np.logical_and, True)
        case NoneOf():
            return np.logical_not(_folded(index, condition.of, situation, np.logical_or, False))
        case _:
            return holds(condition, situation)


def _folded(
    index: OfferIndex,
    conditions: tuple[Condition, ...],
    situation: Situation,
    join: Callable[[bool | Mask, bool | Mask], bool | Mask],
    start: bool,
) -> bool | Mask:
    found: bool | Mask = start
    for condition in conditions:
        found = join(found, _met(index, condition, situation))
    return found


def _offers_having(index: OfferIndex, wanted: OfferHas) -> Mask:
    """Return the rows whose price and value are within bounds; unknown ones are within none."""
    selections = index.selections
    prices = selections.prices
    found = np.ones(len(prices), np.bool_)
    for number, least in (
        (prices, wanted.price_at_least),
        (selections.values, wanted.value_at_least),
        (selections.margins, wanted.margin_at_least),
    ):
        if least is not None:
            found &= number >= least
    if wanted.price_at_most is not None:
        found &= prices <= wanted.price_at_most
    return found


def _capped(index: OfferIndex, about: Selector, offers: frozenset[str] | None) -> Mask:
    rows = index.selections.mask(about) & index.selections.mask(NOT_TRANSACTIONAL)
    return rows if offers is None else rows & _of(index, offers)


def _of(index: OfferIndex, offers: Iterable[str]) -> Mask:
    rows = np.zeros(len(index.ids), np.bool_)
    rows[rows_of(index, offers)] = True
    return rows


def rows_of(index: OfferIndex, offers: Iterable[str]) -> Rows:
    """Return the rows of those offers that the catalogue has, ascending."""
    found = {row for offer in offers if (row := index.row_of(offer)) is not None}
    return np.array(sorted(found), np.int64) if found else NONE
