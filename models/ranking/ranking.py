"""The one ranking of a person: candidates, their scores, and the order (score, offer id).

Search only proposes rows; every score is a whole number, computed the same way on every machine. An
offer over a set has the history of the best item in it that the customer may be offered (its lead).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.numeric.array_types import NO_ROWS, Fixed, Mask, Rows
from models.numeric.compiled import compiled
from models.numeric.fixed import ONE, best
from models.policy.schema import Policy
from models.ranking.offer_index import OfferIndex
from models.ranking.scorers import Scorer
from models.recommender.vector_search import Allowed


@dataclass(frozen=True)
class Ranking:
    """Offers in order, best first: rows of the index, the item rows that lead them, their scores.

    All are (n,). A score is the sum of `bases` (what the history says), `worths` (value and levers)
    and `noises` (exploration), in units of 2^-20. `judged` is what the scorer said of the leads:
    the bases, or where value counts that of which the bases are the logarithm of the rate.
    """

    rows: Rows
    leads: Rows
    judged: Fixed
    bases: Fixed
    worths: Fixed
    noises: Fixed
    scores: Fixed

    def __len__(self) -> int:
        return len(self.rows)

    def ordered(self, order: Rows) -> "Ranking":
        """Return the offers at the places `order` (m,), one after the other."""
        return Ranking(
            self.rows[order],
            self.leads[order],
            self.judged[order],
            self.bases[order],
            self.worths[order],
            self.noises[order],
            self.scores[order],
        )


@dataclass(frozen=True)
class Weighing:
    """What is added to what the history says of offers (rows of an index, n): logarithms (n,)."""

    by_value: bool
    worths: Callable[[Rows], Fixed]
    noises: Callable[[Rows], Fixed]


def _nothing(rows: Rows) -> Fixed:
    return np.zeros(len(rows), np.int64)


BY_HISTORY = Weighing(by_value=False, worths=_nothing, noises=_nothing)


class Ranker:
    """Ranks offers of one index for one customer.

    `barred` are item rows, ascending, that must not lead an offer: bought lately, or before the
    customer.
    """

    def __init__(
        self, index: OfferIndex, barred: Rows, scorer: Scorer, weighing: Weighing = BY_HISTORY
    ) -> None:
        self.index = index
        self.barred = barred
        self.scorer = scorer
        self.weighing = weighing

    def nearest_sets(self, most: int, allowed: Mask) -> Rows:
        """Return up to `most` rows of explicit offers that promise most among `allowed`."""
        if not self.index.set_ids:
            return NO_ROWS
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
            judged = every[np.searchsorted(items, leads)]
        else:
            judged = self.scorer.scores(leads)
        bases = self.scorer.log_rates(judged) if self.weighing.by_value else judged
        worths, noises = self.weighing.worths(rows), self.weighing.noises(rows)
        scores = bases + worths + noises
        order = best(scores, index.ranks[rows], len(rows))
        return Ranking(rows, leads, judged, bases, worths, noises, scores).ordered(order)


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


def tier_one(ranker: Ranker, allowed: Allowed, most: int) -> Ranking:
    """Return the ranking of up to `most` items and as many sets that promise most of `allowed`."""
    items, sets = ranker.scorer.more(most, allowed), ranker.nearest_sets(most, allowed.mask)
    return ranker.rank(np.concatenate([items, sets]))


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
