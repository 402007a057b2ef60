"""The one ranking of a person: candidates, their scores, and the order (score, offer id).

Retrieval by FAISS only proposes rows; every score is computed again in fixed point, so the order
does not depend on the machine. An offer over a set scores as the best item in it that the customer
may be offered (its lead). A customer without a known history is ranked by popularity among the
customers with the same attributes, over all channels.
"""

from typing import NamedTuple

import numpy as np

from models.catalogue import DEFAULT_PREFIX
from models.decision import Source
from models.embeddings import Customer
from models.events import PURCHASE
from models.fixed import ONE, Fixed, dot
from models.index import Mask, OfferIndex, Rows
from models.policy import Policy
from models.profile import View


class Candidate(NamedTuple):
    """One offer of a ranking: its row in the index, the item row that leads it, and its score."""

    row: int
    lead: int
    score: int
    offer: str
    source: Source


class Ranker:
    """Ranks offers of one index for one customer.

    `barred` marks item rows that must not lead an offer: bought lately, or before the customer.
    """

    def __init__(self, index: OfferIndex, customer: Customer, barred: Mask, source: Source) -> None:
        self.index = index
        self.customer = customer
        self.barred = barred
        self.source = source
        self._query = (customer.vector / ONE).astype(np.float32)
        self._popularity = _popularity(index, customer) if customer.cold else None

    def nearest(self, most: int, allowed: Mask) -> Rows:
        """Return up to `most` item rows that promise most among `allowed`, in no certain order."""
        if self._popularity is None:
            return self.index.search(self._query, most, allowed)
        rows = np.flatnonzero(allowed[: self.index.item_count])
        if len(rows) <= most:
            return rows
        order = np.lexsort((rows, -self._popularity[rows]))
        return rows[order[:most]]

    def nearest_sets(self, most: int, allowed: Mask) -> Rows:
        """Return up to `most` rows of explicit offers that promise most among `allowed`."""
        return self.index.search_sets(self._query, most, allowed)

    def rank(self, rows: Rows) -> list[Candidate]:
        """Return a candidate for each of `rows` (offers that have items), best first.

        The order is descending score, then offer id.
        """
        index = self.index
        items = rows[rows < index.item_count]
        found = [
            Candidate(row, row, score, index.offer_id(row), self.source)
            for row, score in zip(items.tolist(), self._scores(items).tolist(), strict=True)
        ]
        sets = rows[rows >= index.item_count].tolist()
        for row, (lead, score) in zip(sets, self._leads(sets), strict=True):
            found.append(Candidate(row, lead, score, index.offer_id(row), self.source))
        found.sort(key=lambda candidate: (-candidate.score, candidate.offer))
        return found

    def _leads(self, sets: list[int]) -> list[tuple[int, int]]:
        """Return (item row, score) of the lead of each explicit offer; ties go to the first row."""
        if not sets:
            return []
        groups = [self._free(self.index.members_of(row)) for row in sets]
        scores = self._scores(np.concatenate(groups))
        leads, start = [], 0
        for group in groups:
            best = start + int(scores[start : start + len(group)].argmax())
            leads.append((int(group[best - start]), int(scores[best])))
            start += len(group)
        return leads

    def _free(self, members: Rows) -> Rows:
        """Return the members that may lead, in row order; all of them where none may."""
        free = members[~self.barred[members] & self.index.live[members]]
        return np.sort(free if len(free) else members)

    def _scores(self, items: Rows) -> Fixed:
        if self._popularity is not None:
            return self._popularity[items]
        return dot(self.index.fixed[items], self.customer.vector) + self.customer.bias


def barred_items(index: OfferIndex, closed: set[str]) -> Mask:
    """Return which item rows must not lead an offer, given the ids of closed offers."""
    barred = np.zeros(index.item_count, np.bool_)
    for offer_id in closed:
        if offer_id.startswith(DEFAULT_PREFIX):
            row = index.row_of(offer_id)
            if row is not None:
                barred[row] = True
    return barred


def tier_zero(
    ranker: Ranker, view: View, policy: Policy, eligible: Mask, closed: Rows, *, replenish: bool
) -> list[Candidate]:
    """Return the ranking that every channel shares.

    Candidates are retrieved under *eligible on any channel*; `closed` rows do not take their
    places but stand in the ranking where their score puts them, so that it can be said why they
    are absent.
    """
    index = ranker.index
    if replenish:
        bought = {
            index.item_row[entry.item]
            for entry in view.lanes.get(PURCHASE, ())
            if entry.item in index.item_row
        }
        rows = np.array(sorted(row for row in bought if eligible[row]), np.int64)
    else:
        open_rows = eligible.copy()
        open_rows[closed] = False
        rows = np.concatenate(
            [
                ranker.nearest(policy.candidates, open_rows),
                ranker.nearest_sets(policy.set_candidates, open_rows),
                closed[eligible[closed]],
            ]
        )
    return ranker.rank(np.unique(rows))


def tier_one(ranker: Ranker, allowed: Mask, wanted: int, taken: set[int]) -> list[Candidate]:
    """Return the ranking of `allowed` rows, deep enough for `wanted` leads that are not `taken`.

    It looks wider until it has them or has seen everything.
    """
    total = int(allowed.sum())
    most = 2 * wanted + 32
    while True:
        items, sets = ranker.nearest(most, allowed), ranker.nearest_sets(most, allowed)
        candidates = ranker.rank(np.concatenate([items, sets]))
        leads = {candidate.lead for candidate in candidates} - taken
        if len(leads) >= wanted or len(candidates) >= total:
            return candidates
        most *= 4


def _popularity(index: OfferIndex, customer: Customer) -> Fixed:
    """Return an item's mean log share over the customer's segments, in units of 2^-20."""
    table = index.release.popularity_fixed[customer.segments].astype(np.int64)
    mean = table.sum(axis=0) // len(customer.segments)
    scores = np.full(index.item_count, int(mean.min()), np.int64)
    known = index.release_row >= 0
    scores[known] = mean[index.release_row[known]]
    return scores
