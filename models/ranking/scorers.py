"""What ranks a customer's offers: popularity, stage one alone, or the second stage.

Each names its first candidates, under *eligible on any channel*, and scores any item: the same item
always scores the same, whichever channel asks and whatever is scored beside it.
"""

from typing import Protocol

import numpy as np

from models.domain.decisions import Because, Intent, Source
from models.domain.events import PURCHASE
from models.domain.view import View
from models.numeric.array_types import NO_ROWS, Fixed, Mask, Rows
from models.numeric.fixed import dot
from models.ranking.offer_index import OfferIndex, Popularity
from models.ranking.two_stage_scorer import Named, Staged, near_acts
from models.recommender.candidates import listed_items
from models.recommender.item_history import past_of
from models.recommender.user_vector import Customer, Placing
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
    def first(self) -> Rows:
        """Return the candidates that every channel shares."""

    def more(self, most: int, allowed: Allowed) -> Rows:
        """Return up to `most` further items that promise most among `allowed`."""

    def scores(self, items: Rows) -> Fixed:
        """Return the score of each item."""

    def sources(self, items: Rows) -> Rows:
        """Return the `Source` that each item came through."""

    def rates(self, items: Rows, scores: Fixed) -> list[float | None]:
        """Return what the score of each item is worth, None where that is not known."""

    def log_rates(self, scores: Fixed) -> Fixed:
        """Return the logarithm of the rate of each score; the score where rates are not known."""

    def because(self, items: Rows, most: int) -> list[tuple[Because, ...]]:
        """Return up to `most` things the customer did that carried each item, most first."""


class ByPopularity:
    """Ranks by the popularity among customers with the same attributes: no history is needed."""

    cold = True

    def __init__(self, popular: Popularity, vector: Fixed, first: Rows) -> None:
        self._popular = popular
        self.vector = vector
        self.first = first

    def more(self, most: int, allowed: Allowed) -> Rows:
        """Return the most popular of `allowed`."""
        return listed_items(self._popular.order, most, allowed.mask)

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

    def because(self, items: Rows, most: int) -> list[tuple[Because, ...]]:
        """Return that nothing the customer did carried them."""
        return [()] * len(items)


class ByHistory:
    """Ranks by stage one: how near an item is to what the customer did."""

    cold = False

    def __init__(self, index: OfferIndex, customer: Customer, first: Rows) -> None:
        self._index = index
        self._customer = customer
        self.vector = customer.vector
        self.first = first

    def more(self, most: int, allowed: Allowed) -> Rows:
        """Return the nearest of `allowed`."""
        return self._index.search.nearest(self.vector, most, allowed, NO_ROWS)

    def scores(self, items: Rows) -> Fixed:
        """Return the inner product of each item, biases included."""
        return dot(self._index.fixed, items, self._customer.vector) + self._customer.bias

    def sources(self, items: Rows) -> Rows:
        """Return that all are near the history."""
        return np.full(len(items), Source.HISTORY, np.int64)

    def rates(self, items: Rows, scores: Fixed) -> list[float | None]:
        """Return that nothing is known."""
        return [None] * len(items)

    def log_rates(self, scores: Fixed) -> Fixed:
        """Return the scores: they are logarithms themselves."""
        return scores

    def because(self, items: Rows, most: int) -> list[tuple[Because, ...]]:
        """Return the acts whose columns speak most for each item."""
        return near_acts(self._index, self._customer, items, most)


def scorer_for(
    index: OfferIndex,
    view: View,
    intent: str,
    minute: int,
    most: int,
    eligible: Allowed,
    closed: Rows,
    given: Named | None = None,
) -> Scorer:
    """Return what ranks for this customer and intent at `minute` (microseconds).

    First candidates, about `most`, are `eligible` and not `closed` (ascending); where they are
    `given` nothing is searched for. Under `replenish` they are the items that the customer bought,
    closed or not, and nothing else.
    """
    release = index.release
    if given is None and intent == Intent.REPLENISH:
        bought = _bought(index, view, eligible.mask)
        given = Named(bought, np.full(len(bought), Source.REPLENISH, np.int64))
    placing = Placing(view, release, minute)
    stage = release.second_stage
    if stage is not None:
        past = past_of(view, release.item_row, release.history, minute)
        if past.rows.size or not placing.customer.cold:
            ensemble = stage.ensembles.get(intent) or stage.ensembles[Intent.DEFAULT]
            return Staged(
                index, view, placing, stage, ensemble, past, most, eligible, closed, given
            )
    customer = placing.customer
    if customer.cold:
        popular = index.popular(customer.segments)
        first = (
            listed_items(popular.order, most, eligible.mask, closed)
            if given is None
            else given.items
        )
        return ByPopularity(popular, customer.vector, first)
    first = (
        index.search.nearest(customer.vector, most, eligible, closed)
        if given is None
        else given.items
    )
    return ByHistory(index, customer, first)


def _bought(index: OfferIndex, view: View, eligible: Mask) -> Rows:
    rows = {index.item_row.get(entry.item, -1) for entry in view.lanes.get(PURCHASE, ())}
    return np.array(sorted(row for row in rows if row >= 0 and eligible[row]), np.int64)
