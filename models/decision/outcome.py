"""Where an offer stands in a decision: shown, or the first stage that dropped it, and why."""

from enum import IntEnum

import msgspec
import numpy as np

from models.decision.decide import Deciding
from models.domain.catalogue import Row
from models.domain.decisions import Reason


class Stage(IntEnum):
    """The stages of a decision, in their order; the numbers are the contract's."""

    SHOWN = 1
    CATALOGUE = 2  # it is not in the catalogue
    AVAILABILITY = 3  # withdrawn, out of stock everywhere, or not valid at that moment
    ELIGIBILITY = 4  # a rule that holds on every channel
    RETRIEVAL = 5  # not among the candidates
    CHANNEL = 6  # withheld from this channel, or from this customer for now
    RANKING = 7  # below the last offer shown


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One offer's standing; `rank` from 1 in the one ranking, 0 where it is not in it.

    `reason` and `rule` are those of the barrier, None and "" where there is none.
    """

    stage: Stage
    reason: Reason | None = None
    rule: str = ""
    rank: int = 0


def standing(deciding: Deciding, offer: str) -> Standing:
    """Return where `offer` stands."""
    index, walk = deciding.world.index, deciding.walk
    row = index.row_of(offer)
    if row is None:
        return Standing(stage=Stage.CATALOGUE)
    for place in walk.shown:
        if place.row == row:
            return Standing(stage=Stage.SHOWN, rank=place.rank)
    if not index.eligible(deciding.now).mask[row]:
        known = index.catalogue.row(offer)
        assert known is not None, "the index has only what the catalogue has"
        return Standing(stage=Stage.AVAILABILITY, reason=unavailable(known, deciding.now))
    for barrier in deciding.shared:
        if barrier.rows[row]:
            return Standing(stage=Stage.ELIGIBILITY, reason=barrier.reason, rule=barrier.rule)
    for withheld in walk.withheld:
        if withheld.offer == offer:
            return Standing(
                stage=Stage.CHANNEL, reason=withheld.reason, rule=withheld.rule, rank=withheld.rank
            )
    return _below(deciding, offer, row)


def lead_of(deciding: Deciding, row: int) -> int:
    """Return the item row that leads the offer of `row`, which has items."""
    return int(deciding.ranker.rank(np.array([row], np.int64)).leads[0])


def unavailable(row: Row, now: int) -> Reason:
    """Return why an offer may be shown nowhere at `now` (microseconds)."""
    if row.withdrawn:
        return Reason.WITHDRAWN
    if (row.valid_from or 0) > now or (row.valid_until is not None and row.valid_until <= now):
        return Reason.NOT_VALID
    if row.price_until is not None and row.price_until <= now:
        return Reason.PRICE_EXPIRED
    return Reason.OUT_OF_STOCK


def _below(deciding: Deciding, offer: str, row: int) -> Standing:
    """Return the standing of an offer that the walk did not come to."""
    rank = 0
    before = 0
    for ranking in deciding.walk.rankings:
        found = np.flatnonzero(ranking.rows == row)
        if found.size:
            rank = before + int(found[0]) + 1
        before += len(ranking)
    closed = deciding.closed.get(offer)
    if closed is not None:
        return Standing(stage=Stage.CHANNEL, reason=closed.reason, rule=closed.rule, rank=rank)
    barrier = deciding.walk.barrier(row, lead_of(deciding, row))
    if barrier is not None:
        return Standing(stage=Stage.CHANNEL, reason=barrier.reason, rule=barrier.rule, rank=rank)
    if rank:
        return Standing(stage=Stage.RANKING, reason=Reason.BELOW_CUT, rank=rank)
    return Standing(stage=Stage.RETRIEVAL)
