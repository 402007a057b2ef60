"""The one ranking of a person: candidates, their scores, and the order (score, offer id).

Search only proposes rows; every score is a whole number, computed the same way on every machine. An
offer over a set has the history of the best item in it that the customer may be offered (its lead).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.numeric.array_types import NO_ROWS, Fixed, Mask, Rows
from models.numeric.compiled import compiled
from models.numeric.fixed import top_by_score
from models.ranking.candidate_scope import CandidateScope
from models.ranking.offer_index import OfferIndex
from models.ranking.scorers import Scorer
from models.recommender.vector_search import Allowed


@dataclass(frozen=True)
class Ranking:
    """Offers in order, best first: rows of the index, the item rows that lead them, their scores.

    All are (n,), in units of 2^-20. A score is the sum of `base_scores` (what the history says),
    `value_terms` (value and levers) and `noise_terms` (exploration). `raw_scores` are what the
    scorer gave the leads: the base scores, or where value counts, the scores whose rates the base
    scores are the logarithms of.
    """

    rows: Rows
    leads: Rows
    raw_scores: Fixed
    base_scores: Fixed
    value_terms: Fixed
    noise_terms: Fixed
    scores: Fixed

    def __len__(self) -> int:
        return len(self.rows)

    def reordered(self, order: Rows) -> "Ranking":
        """Return the offers at the places `order` (m,), one after the other."""
        return Ranking(
            self.rows[order],
            self.leads[order],
            self.raw_scores[order],
            self.base_scores[order],
            self.value_terms[order],
            self.noise_terms[order],
            self.scores[order],
        )


@dataclass(frozen=True)
class ScoreTerms:
    """What is added to what the history says of offers (rows of an index, n): logarithms (n,)."""

    by_value: bool
    value_terms: Callable[[Rows], Fixed]
    noise_terms: Callable[[Rows], Fixed]


def _nothing(rows: Rows) -> Fixed:
    return np.zeros(len(rows), np.int64)


BY_HISTORY = ScoreTerms(by_value=False, value_terms=_nothing, noise_terms=_nothing)


class OfferRanker:
    """Ranks offers of one index for one customer.

    `barred_leads` are item rows, ascending, that must not lead an offer: bought lately, or before
    the customer. `terms` are added to what the history says.
    """

    def __init__(
        self, index: OfferIndex, barred_leads: Rows, scorer: Scorer, terms: ScoreTerms = BY_HISTORY
    ) -> None:
        self.index = index
        self.barred_leads = barred_leads
        self.scorer = scorer
        self.terms = terms

    def rank(self, rows: Rows) -> Ranking:
        """Return `rows` (distinct offers that have items) in descending score, then offer id."""
        index = self.index
        leads = rows.copy()
        sets = rows >= index.rows.item_count
        if sets.any():
            members, starts = _members(
                rows[sets] - index.rows.item_count, index.members.rows, index.members.starts
            )
            items = np.unique(np.concatenate([members, rows[~sets]]))
            item_scores = self.scorer.scores(items)
            member_scores = item_scores[np.searchsorted(items, members)]
            live = index.availability.live
            leads[sets] = _leads(members, starts, member_scores, live, self.barred_leads)
            raw = item_scores[np.searchsorted(items, leads)]
        else:
            raw = self.scorer.scores(leads)
        base = self.scorer.log_rates(raw) if self.terms.by_value else raw
        value, noise = self.terms.value_terms(rows), self.terms.noise_terms(rows)
        scores = base + value + noise
        order = top_by_score(scores, index.rows.tie_ranks[rows], len(rows))
        return Ranking(rows, leads, raw, base, value, noise, scores).reordered(order)


def base_candidates(
    index: OfferIndex, scorer: Scorer, scope: CandidateScope, sets_limit: int
) -> Rows:
    """Return the rows that every channel's ranking is made of: items, sets, and what is closed.

    Candidates are retrieved under *eligible on any channel*. Closed rows do not take their places
    but stand in the ranking where their score puts them, so that it can be said why they are
    absent.
    """
    closed = scope.closed[scope.eligible.mask[scope.closed]]
    if not index.rows.sets:
        return np.concatenate([scorer.candidates, closed])
    open_sets = scope.eligible.mask.copy()
    open_sets[closed] = False
    sets = _nearest_sets(index, scorer, sets_limit, open_sets)
    return np.concatenate([scorer.candidates, sets, closed])


def backfill_candidates(ranker: OfferRanker, allowed: Allowed, limit: int) -> Rows:
    """Return the rows of up to `limit` items and as many sets that promise most of `allowed`."""
    items = ranker.scorer.more_candidates(limit, allowed)
    sets = _nearest_sets(ranker.index, ranker.scorer, limit, allowed.mask)
    return np.concatenate([items, sets])


def _nearest_sets(index: OfferIndex, scorer: Scorer, limit: int, allowed: Mask) -> Rows:
    """Return up to `limit` rows of explicit offers that promise most among `allowed`."""
    if not index.rows.sets:
        return NO_ROWS
    return index.vectors.nearest_sets(scorer.vector, limit, allowed)


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
