"""How much higher an offer would have to score to be shown, everything else as it is."""

import numpy as np

from models.decision.stages import Stages
from models.numeric.array_types import Rows
from models.ranking.ranking import Ranking


def score_gap(stages: Stages, row: int) -> int | None:
    """Return the least that, added to the score of the offer of `row`, shows it (units of 2^-20).

    None where it is not among the candidates, or no score would show it. The offer is moved up its
    tier: the higher, the fewer stand above it, so where it is shown once it is shown all the way
    up, and the lowest such place is found by halving.
    """
    rankings = stages.filled.rankings
    tier = next((at for at, one in enumerate(rankings) if row in one.rows), None)
    if tier is None:
        return None
    ranking = rankings[tier]
    at = int(np.flatnonzero(ranking.rows == row)[0])

    def shown(place: int) -> bool:
        moved = [*rankings[:tier], _moved(ranking, at, place), *rankings[tier + 1 :]]
        return any(one.row == row for one in stages.filled.refilled(moved).shown)

    if not shown(0):
        return None
    low, high = 0, at
    while high - low > 1:
        middle = (low + high) // 2
        if shown(middle):
            low = middle
        else:
            high = middle
    ranks = stages.inputs.shared.index.rows.tie_ranks
    gap = int(ranking.scores[low] - ranking.scores[at])
    return gap if ranks[row] < ranks[ranking.rows[low]] else gap + 1


def _moved(ranking: Ranking, at: int, place: int) -> Ranking:
    """Return a ranking with what stands at `at` moved up to `place`."""
    order: Rows = np.insert(np.delete(np.arange(len(ranking)), at), place, at)
    return ranking.reordered(order)
