"""Baselines that a release must beat: popularity, own counts, item-kNN, LightFM by customer.

Each yields scores (cases, items), block by block; `score_lists` makes lists of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.domain.event_types import BROWSE, CART, PURCHASE
from training.evaluation.ranked_lists import BLOCK
from training.log.event_log import Log
from training.progress import Progress, no_progress
from training.retrieval.fit import StageOneSettings, fit_by_customer
from training.splits.eval_cases import EvalCase

# What an event of a lane weighs in own counts and item-kNN.
WEIGHTS = {BROWSE: 1.0, CART: 2.0, PURCHASE: 4.0}
NEIGHBOURS = 100
_ROWS = 1000  # of similarities held densely at once

Scores = Iterator[NDArray[np.float64]]


@dataclass(frozen=True)
class BaselineCounts:
    """What every baseline learns from: a training log, counted by customer and by item.

    `weights` (customers, items) sums event weights, `targets` (customers, items) counts target
    events, `popular` (items,) their sum.
    """

    row_of: dict[str, int]
    weights: sparse.csr_matrix
    targets: sparse.csr_matrix
    popular: NDArray[np.float64]


def count_for_baselines(log: Log, targets: Iterable[str], items: Sequence[str]) -> BaselineCounts:
    """Count the training part of a log over `items`."""
    types = frozenset(targets)
    row_of = {item: row for row, item in enumerate(items)}
    cells: list[tuple[int, int, float, float]] = []
    for at, customer in enumerate(log.customers):
        for event in customer.events:
            row = row_of.get(event.item)
            if row is not None:
                weight = WEIGHTS.get(log.event_types[event.type].lane, 0.0)
                cells.append((at, row, weight, float(event.type in types)))
    table = np.array(cells, np.float64).reshape(-1, 4)
    where = (table[:, 0].astype(np.int64), table[:, 1].astype(np.int64))
    shape = (len(log.customers), len(items))
    weights = sparse.csr_matrix((table[:, 2], where), shape)
    counts = sparse.csr_matrix((table[:, 3], where), shape)
    counts.eliminate_zeros()
    return BaselineCounts(row_of, weights, counts, np.asarray(counts.sum(axis=0)).ravel())


def popularity_scores(counts: BaselineCounts, eval_cases: Sequence[EvalCase]) -> Scores:
    """Score an item by its target events in training, the same for everybody."""
    for first in range(0, len(eval_cases), BLOCK):
        rows = len(eval_cases[first : first + BLOCK])
        yield np.tile(counts.popular, (rows, 1))


def own_count_scores(counts: BaselineCounts, eval_cases: Sequence[EvalCase], log: Log) -> Scores:
    """Score an item by the weight of the customer's own events on it, then by popularity."""
    fill = counts.popular / (counts.popular.max(initial=0.0) + 1.0)
    for own in history_matrices(counts, eval_cases, log):
        yield own.toarray() + fill


def item_knn_scores(counts: BaselineCounts, eval_cases: Sequence[EvalCase], log: Log) -> Scores:
    """Score an item by its cosine to what the customer touched, summed over the nearest ones."""
    similar = _neighbours(counts.weights)
    for own in history_matrices(counts, eval_cases, log):
        yield (own @ similar).toarray()


def by_customer_scores(
    counts: BaselineCounts,
    eval_cases: Sequence[EvalCase],
    settings: StageOneSettings,
    seed: int,
    progress: Progress = no_progress,
) -> Scores:
    """Score by LightFM with a vector for each customer; for a new one, by the biases of items."""
    rows, columns = counts.targets.nonzero()
    pairs = np.stack([rows, columns], axis=1).astype(np.int64)
    users, items = fit_by_customer(pairs, counts.targets.shape, settings, seed, progress)
    known = np.diff(counts.targets.indptr) > 0
    for first in range(0, len(eval_cases), BLOCK):
        block = eval_cases[first : first + BLOCK]
        vectors = np.zeros((len(block), users.shape[1]), np.float32)
        vectors[:, -1] = 1.0
        for at, eval_case in enumerate(block):
            customer = eval_case.case.customer
            if customer is not None and known[customer]:
                vectors[at] = users[customer]
        yield (vectors @ items.T).astype(np.float64)


def history_matrices(
    counts: BaselineCounts, eval_cases: Sequence[EvalCase], log: Log
) -> Iterator[sparse.csr_matrix]:
    """Yield the history of each case as event weights (cases, items), block by block."""
    for first in range(0, len(eval_cases), BLOCK):
        block = eval_cases[first : first + BLOCK]
        cells = [
            (at, counts.row_of[event.item], WEIGHTS.get(log.event_types[event.type].lane, 0.0))
            for at, eval_case in enumerate(block)
            for event in eval_case.events
            if event.item in counts.row_of
        ]
        table = np.array(cells, np.float64).reshape(-1, 3)
        where = (table[:, 0].astype(np.int64), table[:, 1].astype(np.int64))
        yield sparse.csr_matrix((table[:, 2], where), (len(block), len(counts.row_of)))


def _neighbours(weights: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return cosines (items, items): of each item those of its `NEIGHBOURS` nearest others."""
    squares = np.asarray(weights.multiply(weights).sum(axis=0)).ravel()
    seen = np.flatnonzero(squares)
    if not len(seen):
        return sparse.csr_matrix((weights.shape[1],) * 2)
    scaled = (weights[:, seen] @ sparse.diags(1.0 / np.sqrt(squares[seen]))).tocsc()
    transposed = scaled.T.tocsr()
    cells = []
    for first in range(0, len(seen), _ROWS):
        block = (transposed[first : first + _ROWS] @ scaled).toarray()
        block[np.arange(len(block)), np.arange(first, first + len(block))] = 0.0
        kept = np.argpartition(-block, min(NEIGHBOURS, len(seen) - 1), axis=1)[:, :NEIGHBOURS]
        cosine = np.take_along_axis(block, kept, axis=1)
        rows = np.repeat(seen[first : first + len(block)], kept.shape[1])
        cells.append((rows, seen[kept.ravel()], cosine.ravel()))
    rows, columns, cosines = (np.concatenate(part) for part in zip(*cells, strict=True))
    items = weights.shape[1]
    similar = sparse.csr_matrix((cosines, (rows, columns)), (items, items))
    similar.eliminate_zeros()
    return similar
