"""Item-to-item tables and item facts, counted from who touched what.

The weight of neighbour i of item j is how often customers who did the one thing with j did the
other with i, each customer divided by a power of how much they touched, over the square roots of
how much both are touched: a cosine. The nearest `NEIGHBOURS` of each item are kept: a cut table is
better than a whole one where nothing was touched before, and a hundredth of its size.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.domain.events import BROWSE, CART, INTERACTION_LANES, PURCHASE
from models.numeric.array_types import Floats
from models.recommender.neighbours import NeighbourTables
from models.recommender.ranker_features import ITEM_FEATURES, TREND
from training.counting.interactions import Interactions

NEIGHBOURS = 50
DAMPING = 0.25  # a customer with n touches counts n ** -DAMPING
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


def count_item_tables(touches: Interactions, pairs: Sequence[tuple[str, str]]) -> NeighbourTables:
    """Return the table of each of `pairs`."""
    size = sum(matrix.getnnz(axis=1) for matrix in touches.by_lane)
    damping = sparse.diags(np.maximum(size, 1.0) ** -DAMPING, dtype=np.float32)
    lanes = [lane_weights(source) for source, _ in pairs]
    found = []
    for weights, (_, target) in zip(lanes, pairs, strict=True):
        left, right = touches.weighted(weights), touches.weighted(lane_weights(target))
        found.append(_nearest(left, sparse.csr_matrix(damping @ right), right))
    return NeighbourTables(
        tuple(f"{source}>{target}" for source, target in pairs),
        np.array(lanes, np.float32),
        *_by_item(found),
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
    rows, weights = (np.concatenate([one[part] for one in tables])[order] for part in (1, 2))
    return starts, rows.astype(np.int32), weights.astype(np.float32)


def behaviour_pairs(touches: Interactions) -> tuple[tuple[str, str], ...]:
    """Return those of `PAIRS` that say something of their own in this log."""
    present = {
        lane for lane, matrix in zip(INTERACTION_LANES, touches.by_lane, strict=True) if matrix.nnz
    }
    present &= {BROWSE, CART, PURCHASE}
    if len(present) < 2:
        return ((ANY, ANY),)
    return tuple((a, b) for a, b in PAIRS if {a, b} <= present | {ANY})


def item_features(touches: Interactions) -> Floats:
    """Return (items, FACTS): what every customer together did with each item, without a trend."""
    browse, cart, purchase = (
        touches.by_lane[INTERACTION_LANES.index(lane)] for lane in (BROWSE, CART, PURCHASE)
    )
    seen = sparse.csr_matrix((browse + cart) > 0, dtype=np.float32)
    unseen = purchase - purchase.multiply(seen)
    browses, carts, buys, unseens = (
        np.asarray(matrix.sum(axis=0), np.float64).ravel()
        for matrix in (browse, cart, purchase, unseen)
    )
    facts = np.stack(
        [
            np.log1p(browses),
            np.log1p(carts),
            np.log1p(buys),
            _rate(buys, browses),
            _rate(carts, browses),
            _rate(unseens, buys),
            *[np.zeros(touches.items)] * len(TREND),
        ],
        axis=1,
    )
    assert facts.shape[1] == len(ITEM_FEATURES)
    return facts.astype(np.float32)


def _rate(hits: NDArray[np.float64], tries: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return hits over tries, drawn towards the overall rate as if by a few more tries."""
    prior = hits.sum() / max(1.0, tries.sum())
    few = 10.0
    found: NDArray[np.float64] = (hits + few * prior) / (tries + few)
    return found


def lane_weights(name: str) -> list[float]:
    """Return what a touch in each lane weighs under one side of a pair."""
    if name == ANY:
        return [ANY_WEIGHTS.get(lane, 0.0) for lane in INTERACTION_LANES]
    return [float(lane == name) for lane in INTERACTION_LANES]


def _nearest(
    left: sparse.csr_matrix, damped: sparse.csr_matrix, right: sparse.csr_matrix
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return starts, rows and weights of the nearest neighbours of each item of `left`."""
    turned = sparse.csr_matrix(left.T)
    scale_left, scale_right = _inverse_norms(left), _inverse_norms(right)
    starts, rows, weights = [0], [], []
    for first in range(0, turned.shape[0], _BLOCK):
        block = sparse.csr_matrix(turned[first : first + _BLOCK] @ damped)
        block.sort_indices()
        for at in range(block.shape[0]):
            inside = slice(block.indptr[at], block.indptr[at + 1])
            near, item = block.indices[inside], first + at
            value = block.data[inside] * scale_right[near] * scale_left[item]
            near, value = near[near != item], value[near != item]
            if len(near) > NEIGHBOURS:
                kept = np.argpartition(-value, NEIGHBOURS)[:NEIGHBOURS]
                near, value = near[kept], value[kept]
            order = np.argsort(-value, kind="stable")
            rows.append(near[order])
            weights.append(value[order].astype(np.float32))
            starts.append(starts[-1] + len(near))
    return np.array(starts, np.int64), np.concatenate(rows), np.concatenate(weights)


def _inverse_norms(matrix: sparse.csr_matrix) -> NDArray[np.float64]:
    squares = np.asarray(matrix.multiply(matrix).sum(axis=0), np.float64).ravel()
    return np.where(squares > 0, 1.0 / np.sqrt(np.maximum(squares, 1e-12)), 0.0)
