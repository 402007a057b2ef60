"""What bars offers from a decision: each barrier is a reason, the rule's name, and the rows barred.

Barriers that hold on every channel act before the candidates are found, so that these are the same
whoever asks; those of a channel act afterwards and only withhold. In both lists the first barrier
of an offer is its reason.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from models.domain.decisions import Intent, Reason, Request
from models.domain.selectors import OfferHas, Selector
from models.numeric.array_types import NO_ROWS, Mask, Rows
from models.numeric.draws import unit
from models.policy.caps import MARKETING, NOT_TRANSACTIONAL, Contacts
from models.policy.conditions import Situation
from models.policy.eligibility import barred, offers_having
from models.policy.schema import Policy
from models.ranking.offer_index import OfferIndex

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
        Barrier(Reason.NOT_ELIGIBLE, rule_.name, barred(index.selections, rule_, situation))
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
        Barrier(Reason.NOT_ELIGIBLE, rule.name, barred(selections, rule, situation))
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
        found.append(Barrier(Reason.FILTERED, "", ~offers_having(selections, request.having)))
    if request.exclude:
        found.append(Barrier(Reason.EXCLUDED, "", _of(index, request.exclude)))
    if request.include:
        found.append(Barrier(Reason.NOT_INCLUDED, "", ~_of(index, request.include)))
    return found


def held_out(policy: Policy, seed: bytes) -> bool:
    """Tell whether a person is of the holdout; `seed` is theirs."""
    holdout = policy.holdout
    return holdout.share > 0 and unit(seed, f"holdout {holdout.name}") < holdout.share


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
    return np.array(sorted(found), np.int64) if found else NO_ROWS
