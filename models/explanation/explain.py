"""The explanation of one offer in one decision, from its record and the catalogue at hand."""

import dataclasses
from collections.abc import Callable

import msgspec

from models.decision.decide import run_stages
from models.decision.inputs import DecisionInputs, SharedInputs
from models.decision.outcome import OfferOutcome, Stage, offer_outcome
from models.decision.record import record as record_stages
from models.decision.recorded import recorded_exhausted, recorded_profile
from models.decision.stages import Stages
from models.domain.decisions import DecisionRecord, Flag, ShownOffer, Source
from models.explanation.counterfactuals import Counterfactual
from models.explanation.minimal_change import minimal_change
from models.policy.currency import recorded_exchange


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why an offer was shown, or what stopped it first, and what would have shown it.

    `shown` has the components of an offer that was shown; `attributes` ("name=value") are what
    carried one that is popular with customers like this one. Each of `sets` shows the offer;
    without any, `stopped` are the stages that no small change passes. `least` is the score of the
    last offer shown and `score` that of this one, in units of 2^-20; None where it has none.
    `moved`: with the catalogue as it is now the slate would be another one, and it is this that is
    explained.
    """

    offer: str
    outcome: OfferOutcome
    shown: ShownOffer | None = None
    attributes: tuple[str, ...] = ()
    score: int | None = None
    least: int | None = None
    sets: tuple[tuple[Counterfactual, ...], ...] = ()
    stopped: tuple[OfferOutcome, ...] = ()
    moved: bool = False


def explain(
    record: DecisionRecord,
    shared: SharedInputs,
    offer: str,
    before_each: Callable[[], None] = lambda: None,
) -> Explanation:
    """Explain `offer` in the decision that `record` keeps.

    `before_each` is called before each decision that is tried; what it raises ends the search.
    `shared` is of the record's release and policy, and of a catalogue: that of the moment, where it
    is at hand. Raises `Damaged` where the record's profile cannot be read.
    """
    profile = recorded_profile(record)
    before = record.decision
    inputs = DecisionInputs(
        profile,
        dataclasses.replace(
            shared,
            exhausted=shared.exhausted | recorded_exhausted(record),
            exchange=recorded_exchange(shared.policy, record.currency),
        ),
        record.request,
        record.time,
        profile_unavailable=Flag.STATE_UNAVAILABLE in before.flags,
        nothing_reserved=Flag.NOTHING_RESERVED in before.flags,
    )
    stages = run_stages(inputs)
    again = record_stages(stages)
    outcome = offer_outcome(stages, offer)
    moved = [one.offer for one in again.slate] != [one.offer for one in before.slate]
    least = min((one.score for one in again.slate), default=None)
    if outcome.stage == Stage.SHOWN:
        shown = next(one for one in again.slate if one.offer == offer)
        return Explanation(
            offer=offer,
            outcome=outcome,
            shown=shown,
            attributes=_attributes(stages, shown),
            score=shown.score,
            least=least,
            moved=moved,
        )
    found = minimal_change(stages, offer, before_each)
    return Explanation(
        offer=offer,
        outcome=outcome,
        score=_score(stages, offer),
        least=least,
        sets=found.sets,
        stopped=found.stopped,
        moved=moved,
    )


def _attributes(stages: Stages, shown: ShownOffer) -> tuple[str, ...]:
    """Return the attributes that an offer by popularity was chosen by."""
    if shown.source != Source.POPULAR:
        return ()
    told = (f"{name}={value}" for name, value in stages.gathered.view.attributes.items())
    return tuple(name for name in told if name in stages.inputs.shared.index.release.segment_row)


def _score(stages: Stages, offer: str) -> int | None:
    """Return the score of a candidate, None of what is none."""
    row = stages.inputs.shared.index.rows.row_of(offer)
    for ranking in stages.filled.rankings:
        for at in (ranking.rows == row).nonzero()[0].tolist():
            return int(ranking.scores[at])
    return None
