"""The candidates of the second stage over a catalogue, each with the source it came through.

Tables and item features are of the release's items, candidates of the catalogue's; arrays of the
index lead from the one to the other. Where the sources propose few, the nearest by the history
embedding fill up, and a few places are kept for items that the release does not know.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.numeric.array_types import Rows
from models.numeric.fixed import ONE, top_by_score
from models.ranking.candidate_scope import CandidateScope, SeededCandidates
from models.ranking.offer_index import OfferIndex
from models.recommender.item_history import ItemHistory
from models.recommender.neighbours import NeighbourSums, look_up_neighbours
from models.recommender.ranker import Ensemble, SecondStage
from models.recommender.sources import (
    EMBEDDING,
    NEW,
    CandidateSource,
    propose_candidates,
    public_sources,
)
from models.recommender.user_vector import LazyPlacement

# Below this share of the candidates wanted, a search fills up: it costs as much as all the rest.
FEW = 0.5


class FoundCandidates(NamedTuple):
    """Item rows of an index, ascending, the `Source` of each, and what the history leads to."""

    items: Rows
    sources: Rows
    neighbours: NeighbourSums


def find_candidates(
    index: OfferIndex,
    stage: SecondStage,
    ensemble: Ensemble,
    history: ItemHistory,
    placement: LazyPlacement,
    scope: CandidateScope,
) -> FoundCandidates:
    """Return the candidates of `scope` for a customer, under the quotas of the ensemble."""
    if scope.seeded is not None:
        rows, sources = scope.seeded
        neighbours = look_up_neighbours(stage.retrieval.tables, history)
    else:
        allowed = index.availability.known_to_release(scope.eligible).copy()
        closed = index.release_items.row_of_item[scope.closed[scope.closed < index.rows.item_count]]
        allowed[closed[closed >= 0]] = False
        proposed = propose_candidates(stage.retrieval, history, ensemble.quotas, allowed)
        neighbours = proposed.neighbours
        known, bits = proposed.candidates
        named = SeededCandidates(
            index.release_items.item_of_row[known],
            public_sources(bits, stage.retrieval.tables.names),
        )
        named = _with_new_items(index, ensemble, history, scope, named)
        rows, sources = _filled_up(index, ensemble, placement, scope, named)
    order = np.argsort(rows)
    return FoundCandidates(rows[order], sources[order], neighbours)


def _with_new_items(
    index: OfferIndex,
    ensemble: Ensemble,
    history: ItemHistory,
    scope: CandidateScope,
    named: SeededCandidates,
) -> SeededCandidates:
    """Return the candidates with those new items that fit the customer best, in their places."""
    quota, new_items = ensemble.quotas.of(NEW), index.new_items
    if not quota or new_items is None:
        return named
    open_ = scope.eligible.mask[new_items.rows] & ~np.isin(new_items.rows, scope.closed)
    new = new_items.rows[open_]
    fits = new_items.scores(*_interactions_here(index, history))[open_]
    new = new[top_by_score(np.rint(fits * ONE).astype(np.int64), index.rows.tie_ranks[new], quota)]
    return _joined(named, new, NEW)


def _filled_up(
    index: OfferIndex,
    ensemble: Ensemble,
    placement: LazyPlacement,
    scope: CandidateScope,
    named: SeededCandidates,
) -> SeededCandidates:
    """Return the candidates with the nearest by the embedding: its quota, or more where few are."""
    missing = scope.limit - len(named.items) if len(named.items) < FEW * scope.limit else 0
    wanted = max(ensemble.quotas.of(EMBEDDING), missing)
    if not wanted:
        return named
    taken = np.union1d(named.items, scope.closed)
    near = index.vectors.search.nearest(placement.customer.vector, wanted, scope.eligible, taken)
    return _joined(named, near, EMBEDDING)


def _joined(named: SeededCandidates, more: Rows, source: CandidateSource) -> SeededCandidates:
    return SeededCandidates(
        np.concatenate([named.items, more]),
        np.concatenate([named.sources, np.full(len(more), source.public, np.int64)]),
    )


def _interactions_here(index: OfferIndex, history: ItemHistory) -> tuple[Rows, NDArray[np.float64]]:
    """Return the item rows (m,) that a customer interacted with, and how often each (m,)."""
    rows = index.release_items.item_of_row[history.rows]
    return rows[rows >= 0], history.interactions[rows >= 0]
