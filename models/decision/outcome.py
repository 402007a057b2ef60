"""What became of an offer in a decision: shown, or the first stage that dropped it, and why."""

from enum import IntEnum

import msgspec
import numpy as np

from models.decision.stages import Stages
from models.domain.exclusions import Exclusion
from models.domain.reasons import Reason
from models.domain.validity import unavailable


class Stage(IntEnum):
    """Where a decision drops an offer, in order; the numbers are the contract's."""

    SHOWN = 1
    CATALOGUE = 2  # it is not in the catalogue
    AVAILABILITY = 3  # withdrawn, out of stock everywhere, or not valid at that moment
    ELIGIBILITY = 4  # a rule that holds on every channel
    RETRIEVAL = 5  # not among the candidates
    CHANNEL = 6  # withheld from this channel, or closed to this customer
    RANKING = 7  # below the last offer shown


class OfferOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one offer; `rank` from 1 in the one ranking, 0 where it is not in it.

    `exclusion` is None where the offer is shown, and where no reason but its place keeps it away.
    """

    stage: Stage
    exclusion: Exclusion | None = None
    rank: int = 0

    @property
    def reason(self) -> Reason | None:
        """Return the reason of the exclusion, None without one."""
        return None if self.exclusion is None else self.exclusion.reason

    @property
    def rule(self) -> str:
        """Return the rule of the exclusion, "" without one."""
        return "" if self.exclusion is None else self.exclusion.rule


def offer_outcome(stages: Stages, offer: str) -> OfferOutcome:
    """Return what became of `offer`."""
    index, filled = stages.inputs.shared.index, stages.filled
    row = index.rows.row_of(offer)
    if row is None:
        return OfferOutcome(stage=Stage.CATALOGUE)
    for place in filled.shown:
        if place.row == row:
            return OfferOutcome(stage=Stage.SHOWN, rank=place.rank)
    now = stages.inputs.now
    if not index.availability.eligible(now).mask[row]:
        known = index.catalogue.row(offer)
        assert known is not None, "the index has only what the catalogue has"
        return OfferOutcome(stage=Stage.AVAILABILITY, exclusion=Exclusion(unavailable(known, now)))
    for one in stages.everywhere.filters:
        if one.rows[row]:
            return OfferOutcome(stage=Stage.ELIGIBILITY, exclusion=one.exclusion)
    for withheld in filled.withheld:
        if withheld.offer == offer:
            exclusion = Exclusion(withheld.reason, withheld.rule)
            return OfferOutcome(stage=Stage.CHANNEL, exclusion=exclusion, rank=withheld.rank)
    return _not_reached(stages, offer, row)


def lead_of(stages: Stages, row: int) -> int:
    """Return the item row that leads the offer of `row`, which has items."""
    return int(stages.scored.ranker.rank(np.array([row], np.int64)).leads[0])


def _not_reached(stages: Stages, offer: str, row: int) -> OfferOutcome:
    """Return what became of an offer that the slate was full before, or that is no candidate."""
    rank = 0
    before = 0
    for ranking in stages.filled.rankings:
        found = np.flatnonzero(ranking.rows == row)
        if found.size:
            rank = before + int(found[0]) + 1
        before += len(ranking)
    excluded = stages.gathered.closed.get(offer)
    if excluded is None:
        lead = lead_of(stages, row)
        excluded = stages.filled.rules.filtered(row, lead)
        if excluded is None and not rank and len(stages.filled.rankings) > 1:
            # The search below the first candidates passes over what diversity bars.
            excluded = stages.filled.crowded_out(row, lead)
    if excluded is not None:
        # Without the end of a cool-down: two outcomes are the same that differ in it alone.
        exclusion = excluded._replace(until=None)
        return OfferOutcome(stage=Stage.CHANNEL, exclusion=exclusion, rank=rank)
    if rank:
        return OfferOutcome(stage=Stage.RANKING, exclusion=Exclusion(Reason.BELOW_CUT), rank=rank)
    return OfferOutcome(stage=Stage.RETRIEVAL)
