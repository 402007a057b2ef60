"""What ranks a customer's offers: popularity, stage one alone, or the second stage.

Each names its first candidates, under *eligible on any channel*, and scores any item: the same item
always scores the same, whichever channel asks and whatever is scored beside it.
"""

from typing import Protocol

import numpy as np

from models.domain.decisions import Because, Intent, Source
from models.domain.event_types import PURCHASE
from models.domain.view import View
from models.numeric.array_types import NO_ROWS, Fixed, Mask, Rows
from models.numeric.fixed import dot
from models.ranking.candidate_scope import CandidateScope, SeededCandidates
from models.ranking.offer_index import OfferIndex
from models.ranking.popularity import PopularItems
from models.ranking.two_stage_scorer import TwoStageScorer, history_attribution
from models.recommender.candidates import listed_items
from models.recommender.item_history import item_history_of
from models.recommender.user_vector import LazyPlacement, PlacedCustomer
from models.recommender.vector_search import Allowed


class Scorer(Protocol):
    """Ranks items (rows of an index) for one customer; scores are in units of 2^-20."""

    @property
    def cold(self) -> bool:
        """Tell whether nothing that the customer did counts."""

    @property
    def vector(self) -> Fixed:
        """Return where stage one places the customer."""

    @property
    def candidates(self) -> Rows:
        """Return the candidates that every channel shares."""

    def more_candidates(self, limit: int, allowed: Allowed) -> Rows:
        """Return up to `limit` further items that promise most among `allowed`."""

    def scores(self, items: Rows) -> Fixed:
        """Return the score of each item."""

    def sources(self, items: Rows) -> Rows:
        """Return the `Source` that each item came through."""

    def rates(self, items: Rows, scores: Fixed) -> list[float | None]:
        """Return what the score of each item is worth, None where that is not known."""

    def log_rates(self, scores: Fixed) -> Fixed:
        """Return the logarithm of the rate of each score; the score where rates are not known."""

    def attribution(self, items: Rows, limit: int) -> list[tuple[Because, ...]]:
        """Return up to `limit` things the customer did that led to each item, strongest first."""


class PopularityScorer:
    """Ranks by the popularity among customers with the same attributes: no history is needed."""

    cold = True

    def __init__(self, popular: PopularItems, vector: Fixed, candidates: Rows) -> None:
        self._popular = popular
        self.vector = vector
        self.candidates = candidates

    def more_candidates(self, limit: int, allowed: Allowed) -> Rows:
        """Return the most popular of `allowed`."""
        return listed_items(self._popular.order, limit, allowed.mask)

    def scores(self, items: Rows) -> Fixed:
        """Return the mean log share of each item."""
        return self._popular.scores[items]

    def sources(self, items: Rows) -> Rows:
        """Return that all are popular."""
        return np.full(len(items), Source.POPULAR, np.int64)

    def rates(self, items: Rows, scores: Fixed) -> list[float | None]:
        """Return that nothing is known."""
        return [None] * len(items)

    def log_rates(self, scores: Fixed) -> Fixed:
        """Return the scores: they are logarithms themselves."""
        return scores

    def attribution(self, items: Rows, limit: int) -> list[tuple[Because, ...]]:
        """Return that nothing the customer did led to them."""
        return [()] * len(items)


class HistoryScorer:
    """Ranks by stage one: how near an item is to what the customer did."""

    cold = False

    def __init__(self, index: OfferIndex, customer: PlacedCustomer, candidates: Rows) -> None:
        self._index = index
        self._customer = customer
        self.vector = customer.vector
        self.candidates = candidates

    def more_candidates(self, limit: int, allowed: Allowed) -> Rows:
        """Return the nearest of `allowed`."""
        return self._index.vectors.search.nearest(self.vector, limit, allowed, NO_ROWS)

    def scores(self, items: Rows) -> Fixed:
        """Return the inner product of each item, biases included."""
        return dot(self._index.vectors.fixed, items, self._customer.vector) + self._customer.bias

    def sources(self, items: Rows) -> Rows:
        """Return that all are near the history."""
        return np.full(len(items), Source.HISTORY, np.int64)

    def rates(self, items: Rows, scores: Fixed) -> list[float | None]:
        """Return that nothing is known."""
        return [None] * len(items)

    def log_rates(self, scores: Fixed) -> Fixed:
        """Return the scores: they are logarithms themselves."""
        return scores

    def attribution(self, items: Rows, limit: int) -> list[tuple[Because, ...]]:
        """Return the interactions whose features speak most for each item."""
        return history_attribution(self._index, self._customer, items, limit)


def scorer_for(
    index: OfferIndex, view: View, base_intent: str, minute: int, scope: CandidateScope
) -> Scorer:
    """Return what ranks for this customer and intent at `minute` (microseconds).

    Under `replenish` the candidates are the items that the customer bought, closed or not, and
    nothing else.
    """
    release = index.release
    if scope.seeded is None and base_intent == Intent.REPLENISH:
        bought = _bought(index, view, scope.eligible.mask)
        sources = np.full(len(bought), Source.REPLENISH, np.int64)
        scope = scope._replace(seeded=SeededCandidates(bought, sources))
    placement = LazyPlacement(view, release, minute)
    stage = release.second_stage
    if stage is not None:
        history = item_history_of(view, release.item_row, release.history, minute)
        if history.rows.size or not placement.customer.cold:
            ensemble = stage.ensembles.get(base_intent) or stage.ensembles[Intent.DEFAULT]
            return TwoStageScorer(index, view, placement, ensemble, history, scope)
    customer = placement.customer
    seeded = scope.seeded
    if customer.cold:
        popular = index.popularity.ranked(customer.segments)
        candidates = (
            listed_items(popular.order, scope.limit, scope.eligible.mask, scope.closed)
            if seeded is None
            else seeded.items
        )
        return PopularityScorer(popular, customer.vector, candidates)
    candidates = (
        index.vectors.search.nearest(customer.vector, scope.limit, scope.eligible, scope.closed)
        if seeded is None
        else seeded.items
    )
    return HistoryScorer(index, customer, candidates)


def _bought(index: OfferIndex, view: View, eligible: Mask) -> Rows:
    rows = {index.rows.row_of_item(entry.item) for entry in view.lanes.get(PURCHASE, ())}
    return np.array(sorted(row for row in rows if row is not None and eligible[row]), np.int64)
