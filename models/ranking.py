"""The one ranking of a person: candidates, their scores, and the order (score, offer id).

Search only proposes rows; every score is a whole number, computed the same way on every machine. An
offer over a set scores as the best item in it that the customer may be offered (its lead).
"""

from dataclasses import dataclass

import numpy as np

from models.compiled import compiled
from models.fixed import ONE, Fixed, Rows, best
from models.index import OfferIndex
from models.policy import Policy
from models.scorers import Scorer
from models.search import NONE, Allowed, Mask


@dataclass(frozen=True)
class Ranking:
    """Offers in order, best first: rows of the index, the item rows that lead them, their scores.

    All three are (n,); scores are in units of 2^-20.
    """

    rows: Rows
    leads: Rows
    scores: Fixed

    def __len__(self) -> int:
        return len(self.rows)


class Ranker:
    """Ranks offers of one index for one customer.

    `barred` are item rows, ascending, that must not lead an offer: bought lately, or before the
    customer.
    """

    def __init__(self, index: OfferIndex, barred: Rows, scorer: Scorer) -> None:
        self.index = index
        self.barred = barred
        self.scorer = scorer

    def nearest_sets(self, most: int, allowed: Mask) -> Rows:
        """Return up to `most` rows of explicit offers that promise most among `allowed`."""
        if not self.index.set_ids:
            return NONE
        point = (self.scorer.vector / ONE).astype(np.float32)
        return self.index.sets_near(point, most, allowed)

    def rank(self, rows: Rows) -> Ranking:
        """Return `rows` (distinct offers that have items) in descending score, then offer id."""
        index = self.index
        leads = rows.copy()
        sets = rows >= index.item_count
        if sets.any():
            members, starts = _members(rows[sets] - index.item_count, index.members, index.starts)
            items = np.unique(np.concatenate([members, rows[~sets]]))
            every = self.scorer.scores(items)
            found = every[np.searchsorted(items, members)]
            leads[sets] = _leads(members, starts, found, index.live, self.barred)
            scores = every[np.searchsorted(items, leads)]
        else:
            scores = self.scorer.scores(leads)
        order = best(scores, index.ranks[rows], len(rows))
        return Ranking(rows[order], leads[order], scores[order])


def tier_zero(
    ranker: Ranker, policy: Policy, eligible: Allowed, closed: Rows, *, replenish: bool
) -> Ranking:
    """Return the ranking that every channel shares.

    Candidates are retrieved under *eligible on any channel*; `closed` rows (ascending) do not take
    their places but stand in the ranking where their score puts them, so that it can be said why
    they are absent.
    """
    items = ranker.scorer.first
    if replenish:
        return ranker.rank(items)
    closed = closed[eligible.mask[closed]]
    if not ranker.index.set_ids:
        return ranker.rank(np.concatenate([items, closed]))
    open_sets = eligible.mask.copy()
    open_sets[closed] = False
    sets = ranker.nearest_sets(policy.candidates.sets, open_sets)
    return ranker.rank(np.concatenate([items, sets, closed]))


def tier_one(ranker: Ranker, allowed: Allowed, wanted: int, taken: set[int]) -> Ranking:
    """Return the ranking of `allowed` rows, deep enough for `wanted` leads that are not `taken`.

    It looks wider until it has them or has seen everything.
    """
    total = int(np.count_nonzero(allowed.mask))
    most = 2 * wanted + 32
    while True:
        items, sets = ranker.scorer.more(most, allowed), ranker.nearest_sets(most, allowed.mask)
        ranking = ranker.rank(np.concatenate([items, sets]))
        leads = set(ranking.leads.tolist()) - taken
        if len(leads) >= wanted or len(ranking) >= total:
            return ranking
        most *= 4


@compiled("Tuple((int64[::1], int64[::1]))(int64[::1], int64[::1], int64[::1])")
def _members(sets: Rows, members: Rows, starts: Rows) -> tuple[Rows, Rows]:
    """Return the members of all `sets`, one after the other, and where each set's begin."""
    begins = np.zeros(sets.size + 1, np.int64)
    for i in range(sets.size):
        begins[i + 1] = begins[i] + starts[sets[i] + 1] - starts[sets[i]]
    found = np.empty(begins[-1], np.int64)
    for i in range(sets.size):
        found[begins[i] : begins[i + 1]] = members[starts[sets[i]] : starts[sets[i] + 1]]
    return found, begins


@compiled("int64[::1](int64[::1], int64[::1], int64[::1], boolean[::1], int64[::1])")
def _leads(members: Rows, starts: Rows, scores: Fixed, live: Mask, barred: Rows) -> Rows:
    """Return each set's best member that may lead, or its best where none may; ties: first."""
    leads = np.empty(starts.size - 1, np.int64)
    for i in range(leads.size):
        lead = np.int64(-1)
        lead_may, lead_score = False, np.int64(0)
        for at in range(starts[i], starts[i + 1]):
            row, score = members[at], scores[at]
            found = np.searchsorted(barred, row)
            may = live[row] and (found == barred.size or barred[found] != row)
            if lead < 0 or (may and not lead_may) or (may == lead_may and score > lead_score):
                lead, lead_may, lead_score = row, may, score
        leads[i] = lead
    return leads
