"""Item-to-item tables and item features, counted from interactions.

A table is of a pair of behaviours: L[c, j] is how much customer c did the first with item j, and
R[c, i] how much the second with item i. With n[c] the interactions of c, the weight of neighbour i
of item j is a damped cosine, a sum over customers:

    sum(L[c, j] * R[c, i] * n[c] ** -DAMPING) / (norm(L[:, j]) * norm(R[:, i]))

The `NEIGHBOURS` nearest of each item are kept: a cut table is better than a whole one for items
that a customer never touched, and a hundredth of its size.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.domain.event_types import BROWSE, CART, INTERACTION_LANES, PURCHASE
from models.numeric.array_types import Floats
from models.recommender.features_of_item import ITEM_FEATURES, TREND
from models.recommender.neighbours import NeighbourTables
from training.counting.interactions import Interactions

NEIGHBOURS = 50
DAMPING = 0.25  # a customer with n interactions counts n ** -DAMPING
ANY = "any"
ANY_WEIGHTS = {BROWSE: 1.0, CART: 2.0, PURCHASE: 4.0}
_BLOCK = 1024  # rows of co-occurrences held at once

# Pairs of behaviours, where a log has both: what the customer did, and what is looked for.
PAIRS = (
    (ANY, ANY),
    (PURCHASE, BROWSE),
    (BROWSE, PURCHASE),
    (PURCHASE, PURCHASE),
    (BROWSE, BROWSE),
    (CART, PURCHASE),
)


def count_item_tables(
    interactions: Interactions, pairs: Sequence[tuple[str, str]]
) -> NeighbourTables:
    """Return the table of each of `pairs`, which are (what was done, what is looked for)."""
    size = sum(matrix.getnnz(axis=1) for matrix in interactions.by_lane)
    damping = sparse.diags(np.maximum(size, 1.0) ** -DAMPING, dtype=np.float32)
    lanes = [lane_weights(source) for source, _ in pairs]
    nearest = []
    for weights, (_, target) in zip(lanes, pairs, strict=True):
        left, right = interactions.weighted(weights), interactions.weighted(lane_weights(target))
        nearest.append(_nearest(left, sparse.csr_matrix(damping @ right), right))
    return NeighbourTables(
        tuple(f"{source}>{target}" for source, target in pairs),
        np.array(lanes, np.float32),
        *_by_item(nearest),
    )


def _by_item(
    tables: Sequence[tuple[NDArray[np.int64], NDArray[np.int64], Floats]],
) -> tuple[NDArray[np.int64], NDArray[np.int32], Floats]:
    """Return starts, rows and weights of all tables with the lists of each item side by side."""
    offsets = np.cumsum([0, *(len(rows) for _, rows, _ in tables)])[:-1]
    begins = np.stack([starts[:-1] for starts, _, _ in tables], axis=1) + offsets
    sizes = np.stack([np.diff(starts) for starts, _, _ in tables], axis=1).ravel()
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    order = np.arange(starts[-1]) + np.repeat(begins.ravel() - starts[:-1], sizes)
    rows, weights = (np.concatenate([table[part] for table in tables])[order] for part in (1, 2))
    return starts, rows.astype(np.int32), weights.astype(np.float32)


def behaviour_pairs(interactions: Interactions) -> tuple[tuple[str, str], ...]:
    """Return those of `PAIRS` whose behaviours the log has, `ANY` alone where it has one."""
    present = {
        lane
        for lane, matrix in zip(INTERACTION_LANES, interactions.by_lane, strict=True)
        if matrix.nnz
    }
    present &= {BROWSE, CART, PURCHASE}
    if len(present) < 2:
        return ((ANY, ANY),)
    return tuple((a, b) for a, b in PAIRS if {a, b} <= present | {ANY})


def item_features(interactions: Interactions) -> Floats:
    """Return (items, ITEM_FEATURES) over all customers together; the trend columns are 0."""
    browse, cart, purchase = (
        interactions.by_lane[INTERACTION_LANES.index(lane)] for lane in (BROWSE, CART, PURCHASE)
    )
    seen = sparse.csr_matrix((browse + cart) > 0, dtype=np.float32)
    unseen = purchase - purchase.multiply(seen)
    browses, carts, buys, unseens = (
        np.asarray(matrix.sum(axis=0), np.float64).ravel()
        for matrix in (browse, cart, purchase, unseen)
    )
    features = np.stack(
        [
            np.log1p(browses),
            np.log1p(carts),
            np.log1p(buys),
            _rate(buys, browses),
            _rate(carts, browses),
            _rate(unseens, buys),
            *[np.zeros(interactions.items)] * len(TREND),
        ],
        axis=1,
    )
    assert features.shape[1] == len(ITEM_FEATURES)
    return features.astype(np.float32)


def _rate(hits: NDArray[np.float64], tries: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return hits / tries, shrunk to the overall rate by ten more tries at that rate."""
    prior = hits.sum() / max(1.0, tries.sum())
    more = 10.0
    rates: NDArray[np.float64] = (hits + more * prior) / (tries + more)
    return rates


def lane_weights(name: str) -> list[float]:
    """Return the weight of each lane under one behaviour of a pair: `ANY`, or a lane's name."""
    if name == ANY:
        return [ANY_WEIGHTS.get(lane, 0.0) for lane in INTERACTION_LANES]
    return [float(lane == name) for lane in INTERACTION_LANES]


def _nearest(
    left: sparse.csr_matrix, damped: sparse.csr_matrix, right: sparse.csr_matrix
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return starts, rows and weights of the nearest neighbours of each item of `left`."""
    by_item = sparse.csr_matrix(left.T)
    scale_left, scale_right = _inverse_norms(left), _inverse_norms(right)
    starts, rows, weights = [0], [], []
    for first in range(0, by_item.shape[0], _BLOCK):
        block = sparse.csr_matrix(by_item[first : first + _BLOCK] @ damped)
        block.sort_indices()
        for at in range(block.shape[0]):
            inside = slice(block.indptr[at], block.indptr[at + 1])
            neighbours, item = block.indices[inside], first + at
            value = block.data[inside] * scale_right[neighbours] * scale_left[item]
            neighbours, value = neighbours[neighbours != item], value[neighbours != item]
            if len(neighbours) > NEIGHBOURS:
                kept = np.argpartition(-value, NEIGHBOURS)[:NEIGHBOURS]
                neighbours, value = neighbours[kept], value[kept]
            order = np.argsort(-value, kind="stable")
            rows.append(neighbours[order])
            weights.append(value[order].astype(np.float32))
            starts.append(starts[-1] + len(neighbours))
    return np.array(starts, np.int64), np.concatenate(rows), np.concatenate(weights)


def _inverse_norms(matrix: sparse.csr_matrix) -> NDArray[np.float64]:
    squares = np.asarray(matrix.multiply(matrix).sum(axis=0), np.float64).ravel()
    return np.where(squares > 0, 1.0 / np.sqrt(np.maximum(squares, 1e-12)), 0.0)
