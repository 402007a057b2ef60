"""The one ranking of a person: candidates, their scores, and the order (score, offer id).

Search only proposes rows; every score is computed in fixed point, so the order does not depend on
the machine. An offer over a set scores as the best item in it that the customer may be offered (its
lead). A customer without a known history is ranked by popularity among the customers with the same
attributes, over all channels.
"""

from dataclasses import dataclass

import numpy as np

from models.compiled import compiled
from models.decision import Source
from models.embeddings import Customer
from models.events import PURCHASE
from models.fixed import ONE, Fixed, Rows, best, dot
from models.index import OfferIndex
from models.policy import Policy
from models.profile import View
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

    def __init__(self, index: OfferIndex, customer: Customer, barred: Rows, source: Source) -> None:
        self.index = index
        self.customer = customer
        self.barred = barred
        self.source = source
        self._popular = index.popular(customer.segments) if customer.cold else None

    def nearest(self, most: int, allowed: Allowed, closed: Rows = NONE) -> Rows:
        """Return up to `most` item rows that promise most among `allowed` and not `closed`."""
        if self._popular is not None:
            return _first(self._popular.order, most, allowed.mask, closed)
        return self.index.search.nearest(self.customer.vector, most, allowed, closed)

    def nearest_sets(self, most: int, allowed: Mask) -> Rows:
        """Return up to `most` rows of explicit offers that promise most among `allowed`."""
        if not self.index.set_ids:
            return NONE
        point = (self.customer.vector / ONE).astype(np.float32)
        return self.index.sets_near(point, most, allowed)

    def rank(self, rows: Rows) -> Ranking:
        """Return `rows` (distinct offers that have items) in descending score, then offer id."""
        index = self.index
        leads = rows.copy()
        sets = rows >= index.item_count
        if sets.any():
            chosen = rows[sets] - index.item_count
            members, starts = _members(chosen, index.members, index.starts)
            scores = self._scores(members)
            leads[sets] = _leads(members, starts, scores, index.live, self.barred)
        scores = self._scores(leads)
        order = best(scores, index.ranks[rows], len(rows))
        return Ranking(rows[order], leads[order], scores[order])

    def _scores(self, items: Rows) -> Fixed:
        if self._popular is not None:
            return self._popular.scores[items]
        return dot(self.index.fixed, items, self.customer.vector) + self.customer.bias


def tier_zero(
    ranker: Ranker, view: View, policy: Policy, eligible: Allowed, closed: Rows, *, replenish: bool
) -> Ranking:
    """Return the ranking that every channel shares.

    Candidates are retrieved under *eligible on any channel*; `closed` rows (ascending) do not take
    their places but stand in the ranking where their score puts them, so that it can be said why
    they are absent.
    """
    index = ranker.index
    if replenish:
        bought = {
            index.item_row[entry.item]
            for entry in view.lanes.get(PURCHASE, ())
            if entry.item in index.item_row
        }
        return ranker.rank(np.array(sorted(row for row in bought if eligible.mask[row]), np.int64))
    items = ranker.nearest(policy.candidates, eligible, closed)
    closed = closed[eligible.mask[closed]]
    if not index.set_ids:
        return ranker.rank(np.concatenate([items, closed]))
    open_sets = eligible.mask.copy()
    open_sets[closed] = False
    sets = ranker.nearest_sets(policy.set_candidates, open_sets)
    return ranker.rank(np.concatenate([items, sets, closed]))


def tier_one(ranker: Ranker, allowed: Allowed, wanted: int, taken: set[int]) -> Ranking:
    """Return the ranking of `allowed` rows, deep enough for `wanted` leads that are not `taken`.

    It looks wider until it has them or has seen everything.
    """
    total = int(np.count_nonzero(allowed.mask))
    most = 2 * wanted + 32
    while True:
        items, sets = ranker.nearest(most, allowed), ranker.nearest_sets(most, allowed.mask)
        ranking = ranker.rank(np.concatenate([items, sets]))
        leads = set(ranking.leads.tolist()) - taken
        if len(leads) >= wanted or len(ranking) >= total:
            return ranking
        most *= 4


@compiled("int64[::1](int64[::1], int64, boolean[::1], int64[::1])")
def _first(order: Rows, most: int, allowed: Mask, closed: Rows) -> Rows:
    """Return the first `most` of `order` that are allowed and not closed."""
    found = np.empty(most, np.int64)
    count = 0
    for row in order:
        if count == most:
            break
        if allowed[row]:
            at = np.searchsorted(closed, row)
            if at == closed.size or closed[at] != row:
                found[count] = row
                count += 1
    return found[:count].copy()


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
