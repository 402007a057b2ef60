"""Candidates: the union of what several sources propose, each with the sources it came through.

A source proposes its best few; the union keeps every proposal once, with a bit for each source that
made it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.domain.event_types import CART, INTERACTION_LANES
from models.numeric.array_types import NO_ROWS, Mask, Rows
from models.numeric.compiled import compiled
from models.recommender.item_history import ItemHistory
from models.recommender.neighbours import NeighbourSums

Bits = NDArray[np.int64]


class Candidates(NamedTuple):
    """The union: item rows, ascending, and for each a bit mask of the sources it came through."""

    rows: Rows
    sources: Bits


def own_items(history: ItemHistory, limit: int, allowed: Mask) -> Rows:
    """Return up to `limit` allowed items of the history: carted ones, then the latest."""
    at = np.flatnonzero(allowed[history.rows])
    carted = history.strength[at, INTERACTION_LANES.index(CART)] > 0
    at = at[np.lexsort((history.latest[at], ~carted))]
    return history.rows[at[:limit]]


def neighbour_items(neighbours: NeighbourSums, quotas: Rows, allowed: Mask) -> tuple[Rows, Bits]:
    """Return the allowed neighbours with the greatest sums, up to `quotas[k]` of each table k.

    Each comes with the bits of the tables, from 0, whose best it is among; of equal ones those
    found first count.
    """
    return _greatest(neighbours.rows, neighbours.sums, quotas, allowed)


def listed_items(order: Rows, limit: int, allowed: Mask, closed: Rows = NO_ROWS) -> Rows:
    """Return the first `limit` of `order` that are allowed and not `closed` (ascending)."""
    return _first(order, limit, allowed, closed)


def union(parts: Sequence[tuple[Rows, Bits]]) -> Candidates:
    """Return rows with their bits as one set, ascending."""
    return Candidates(
        *_union(np.concatenate([rows for rows, _ in parts]), np.concatenate([b for _, b in parts]))
    )


def from_source(rows: Rows, bit: int) -> tuple[Rows, Bits]:
    """Return `rows` as proposals of the source with this bit."""
    return rows, np.full(len(rows), 1 << bit, np.int64)


@compiled("Tuple((int64[::1], int64[::1]))(int64[::1], float32[:,::1], int64[::1], boolean[::1])")
def _greatest(
    rows: Rows, sums: NDArray[np.float32], quotas: Rows, allowed: Mask
) -> tuple[Rows, Bits]:
    bits = np.zeros(rows.size, np.int64)
    tables = quotas.size
    largest = np.int64(1)
    for quota in quotas:
        largest = max(largest, quota)
    # The greatest of each table so far as a heap, the least of them on top. Most sums do not exceed
    # the `bar` of their table, and are looked at no further.
    values = np.empty((tables, largest), np.float32)
    places = np.empty((tables, largest), np.int64)
    sizes = np.zeros(tables, np.int64)
    bar = np.where(quotas == 0, np.float32(np.inf), np.float32(0.0))
    for at in range(rows.size):
        if not allowed[rows[at]]:
            continue
        for k in range(tables):
            value = sums[at, k]
            if value <= bar[k]:
                continue
            heap, place, size = values[k], places[k], sizes[k]
            if size < quotas[k]:
                hole = size
                size += 1
                sizes[k] = size
                while hole and heap[(hole - 1) // 2] > value:
                    heap[hole], place[hole] = heap[(hole - 1) // 2], place[(hole - 1) // 2]
                    hole = (hole - 1) // 2
            else:
                hole = 0
                while 2 * hole + 1 < size:
                    child = 2 * hole + 1
                    if child + 1 < size and heap[child + 1] < heap[child]:
                        child += 1
                    if heap[child] >= value:
                        break
                    heap[hole], place[hole] = heap[child], place[child]
                    hole = child
            heap[hole], place[hole] = value, at
            if size == quotas[k]:
                bar[k] = heap[0]
    for k in range(tables):
        for at in range(sizes[k]):
            bits[places[k, at]] |= np.int64(1) << k
    kept = np.flatnonzero(bits)
    return rows[kept], bits[kept]


@compiled("int64[::1](int64[::1], int64, boolean[::1], int64[::1])")
def _first(order: Rows, limit: int, allowed: Mask, closed: Rows) -> Rows:
    kept = np.empty(limit, np.int64)
    size = 0
    for row in order:
        if size == limit:
            break
        if allowed[row]:
            at = np.searchsorted(closed, row)
            if at == closed.size or closed[at] != row:
                kept[size] = row
                size += 1
    return kept[:size].copy()


@compiled("Tuple((int64[::1], int64[::1]))(int64[::1], int64[::1])")
def _union(rows: Rows, bits: Bits) -> tuple[Rows, Bits]:
    order = np.argsort(rows)
    kept = np.empty(rows.size, np.int64)
    masks = np.zeros(rows.size, np.int64)
    last = -1
    for at in order:
        if last < 0 or kept[last] != rows[at]:
            last += 1
            kept[last] = rows[at]
        masks[last] |= bits[at]
    return kept[: last + 1].copy(), masks[: last + 1].copy()
