"""Which changes may lift what stopped an offer, each by the least that could do it."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from models.clock_time import DAY
from models.decision.outcome import OfferOutcome, Stage
from models.decision.stages import Stages
from models.domain.entry import Entry
from models.domain.profile import LANE_CAPACITY
from models.domain.reasons import Reason
from models.domain.selectors import OfferHas
from models.explanation.counterfactuals import Counterfactual, CounterfactualKind, lever
from models.explanation.score_gap import score_gap
from models.explanation.turning_prices import turning_prices
from models.numeric.fixed import ONE
from models.policy.schema import (
    AllOf,
    AnyOf,
    AtTime,
    AttributeIs,
    Condition,
    HappenedLately,
    NoneOf,
)

EVENTS = ("view", "add_to_cart")


def proposals(stages: Stages, offer: str, stopped: OfferOutcome) -> list[Counterfactual]:
    """Return changes that may lift what stopped `offer` in a decision.

    Nothing where none of the closed list can: the request's own wishes, what the offer is made for,
    a holdout.
    """
    index = stages.inputs.shared.index
    row = index.rows.row_of(offer)
    if row is None or not len(index.members.of(row)):
        return []
    known = index.catalogue.row(offer)
    assert known is not None, "the index has only what the catalogue has"
    match stopped.reason:
        case Reason.OUT_OF_STOCK:
            place = stages.inputs.request.place or next((entry.place for entry in known.stock), "")
            return [Counterfactual(kind=CounterfactualKind.STOCK, about=place, value=1)]
        case Reason.NOT_VALID:
            later = known.valid_from is not None and known.valid_from > stages.inputs.now
            return _at(known.valid_from if later else None)
        case Reason.PURCHASED | Reason.DECLINED:
            closed = stages.gathered.closed.get(offer)
            until = (
                stages.gathered.contact_rules.category_free_at(known)
                if closed is None
                else closed.until
            )
            return _at(until)
        case Reason.CAPPED | Reason.QUIET_HOURS:
            return _at(stages.gathered.contact_rules.free_at(known, stages.inputs.request.channel))
        case Reason.OPEN_CASE:
            return [Counterfactual(kind=CounterfactualKind.CASE, about=stopped.rule)]
        case Reason.EXHAUSTED:
            return [Counterfactual(kind=CounterfactualKind.VOLUME, value=1)]
        case Reason.NOT_ELIGIBLE:
            return list(_eligible(stages, offer, stopped.rule))
        case Reason.BELOW_CUT | Reason.DIVERSITY:
            return [*_higher(stages, row), *_events()]
        case None if stopped.stage == Stage.RETRIEVAL:
            return _events()
        case _:
            return []


def _events() -> list[Counterfactual]:
    return [Counterfactual(kind=CounterfactualKind.EVENT, about=type_, value=1) for type_ in EVENTS]


def _at(moment: int | None) -> list[Counterfactual]:
    return [] if moment is None else [Counterfactual(kind=CounterfactualKind.TIME, at=moment)]


def _higher(stages: Stages, row: int) -> Iterator[Counterfactual]:
    """Yield what makes an offer score so high that it is shown: a lever, a rate."""
    lift = score_gap(stages, row)
    if lift is None:
        return
    weight = lever(lift)
    if weight is not None:
        yield weight
    rate = _rate(stages, row, lift)
    if rate is not None and rate <= 1:
        yield Counterfactual(kind=CounterfactualKind.RATE, value=rate, score_lift=lift)


def _rate(stages: Stages, row: int, lift: int) -> float | None:
    """Return the rate of a candidate whose score were higher by `lift`; None: there are none."""
    ranking = next(one for one in stages.filled.rankings if row in one.rows)
    at = int(np.flatnonzero(ranking.rows == row)[0])
    bases = ranking.base_scores[at : at + 1] + lift
    if stages.scored.ranker.terms.by_value:
        return math.exp(int(bases[0]) / ONE)
    return stages.retrieved.scorer.rates(ranking.leads[at : at + 1], bases)[0]


def _eligible(stages: Stages, offer: str, rule: str) -> Iterator[Counterfactual]:
    """Yield what may turn a condition of a rule over: a price, a moment, an event, an attribute."""
    for eligibility in stages.inputs.shared.policy.eligibility:
        if eligibility.name == rule:
            for condition in _leaves(eligibility.when):
                yield from _turned(stages, offer, condition)


def _leaves(conditions: Iterable[Condition]) -> Iterator[Condition]:
    for condition in conditions:
        if isinstance(condition, (AnyOf, AllOf, NoneOf)):
            yield from _leaves(condition.of)
        else:
            yield condition


def _turned(stages: Stages, offer: str, condition: Condition) -> Iterator[Counterfactual]:
    match condition:
        case OfferHas():
            yield from _prices(stages, offer, condition)
        case AtTime():
            for bound in (condition.since, condition.until):
                if bound is not None and bound.tzinfo is not None:
                    moment = round(bound.timestamp()) * 1_000_000
                    if moment > stages.inputs.now:
                        yield Counterfactual(kind=CounterfactualKind.TIME, at=moment)
        case HappenedLately():
            yield from _happened(stages, condition)
        case AttributeIs():
            for value in condition.one_of[:1]:
                yield Counterfactual(
                    kind=CounterfactualKind.ATTRIBUTE, about=condition.name, text=value
                )
            for number in (condition.at_least, condition.at_most):
                if number is not None:
                    yield Counterfactual(
                        kind=CounterfactualKind.ATTRIBUTE, about=condition.name, text=f"{number:g}"
                    )


def _prices(stages: Stages, offer: str, condition: OfferHas) -> Iterator[Counterfactual]:
    """Yield the prices at which bounds of price and margin turn over, nearest first."""
    known = stages.inputs.shared.index.catalogue.row(offer)
    assert known is not None, "the index has only what the catalogue has"
    exchange = stages.inputs.shared.exchange
    for cents in turning_prices(known, condition, exchange):
        yield Counterfactual(kind=CounterfactualKind.PRICE, value=cents / 100)


def _happened(stages: Stages, condition: HappenedLately) -> Iterator[Counterfactual]:
    """Yield one event more, and the moments at which those that count are too old to count."""
    if condition.type in EVENTS:
        yield Counterfactual(kind=CounterfactualKind.EVENT, about=condition.type, value=1)
    lasting = round(condition.days * DAY)
    since = stages.inputs.now - lasting
    history = stages.gathered.view.rule_history
    counted: list[Entry] = [
        entry
        for lane in LANE_CAPACITY
        for entry in history.standing(lane)
        if entry.type == condition.type and entry.rank == 1 and entry.at > since
    ]
    for entry in sorted(counted):
        yield Counterfactual(kind=CounterfactualKind.TIME, at=entry.at + lasting)
