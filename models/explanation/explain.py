"""The explanation of one offer in one decision, from its record and the catalogue at hand."""

import dataclasses

import msgspec

from models.decision.decide import Deciding, World
from models.decision.outcome import Stage, Standing, standing
from models.decision.recorded import exhausted_of, profile_of
from models.domain.decisions import Flag, Record, Shown, Source
from models.explanation.counterfactuals import Case, Change
from models.explanation.minimal_change import smallest


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
    standing: Standing
    shown: Shown | None = None
    attributes: tuple[str, ...] = ()
    score: int | None = None
    least: int | None = None
    sets: tuple[tuple[Change, ...], ...] = ()
    stopped: tuple[Standing, ...] = ()
    moved: bool = False


def explain(record: Record, world: World, offer: str) -> Explanation:
    """Explain `offer` in the decision that `record` keeps.

    `world` is of the record's release and policy, and of a catalogue: that of the moment, where it
    is at hand. Raises `Damaged` where the record's profile cannot be read.
    """
    profile = profile_of(record)
    before = record.decision
    case = Case(
        profile,
        dataclasses.replace(world, exhausted=world.exhausted | exhausted_of(before)),
        record.request,
        record.time,
        Flag.STATE_UNAVAILABLE in before.flags,
    )
    deciding = case.deciding()
    again = deciding.decision()
    stands = standing(deciding, offer)
    moved = [one.offer for one in again.slate] != [one.offer for one in before.slate]
    least = min((one.score for one in again.slate), default=None)
    if stands.stage == Stage.SHOWN:
        shown = next(one for one in again.slate if one.offer == offer)
        return Explanation(
            offer=offer,
            standing=stands,
            shown=shown,
            attributes=_attributes(deciding, shown),
            score=shown.score,
            least=least,
            moved=moved,
        )
    found = smallest(case, deciding, offer)
    return Explanation(
        offer=offer,
        standing=stands,
        score=_score(deciding, offer),
        least=least,
        sets=found.sets,
        stopped=found.stopped,
        moved=moved,
    )


def _attributes(deciding: Deciding, shown: Shown) -> tuple[str, ...]:
    """Return the attributes that an offer by popularity was chosen by."""
    if shown.source != Source.POPULAR:
        return ()
    told = (f"{name}={value}" for name, value in deciding.view.attributes.items())
    return tuple(name for name in told if name in deciding.world.index.release.segment_row)


def _score(deciding: Deciding, offer: str) -> int | None:
    """Return the score of a candidate, None of what is none."""
    row = deciding.world.index.row_of(offer)
    for ranking in deciding.walk.rankings:
        for at in (ranking.rows == row).nonzero()[0].tolist():
            return int(ranking.scores[at])
    return None
