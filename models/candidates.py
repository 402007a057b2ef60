"""Candidates: the union of several sources, of bounded size, each naming where it came from.

A source proposes its best few; the union keeps every proposal once, with a bit for each source that
made it. Sources in order: the customer's own items (open ones, or bought where that is allowed),
each item-to-item table, the history embedding, what is popular, and new items in reserved slots.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.events import CART
from models.fixed import Rows
from models.neighbours import Reached
from models.past import LANES, Past

OWN, EMBEDDING, POPULAR, NEW = "own", "embedding", "popular", "new"
MOST_SOURCES = 31  # bits

Mask = NDArray[np.bool_]
Bits = NDArray[np.int64]


class Candidates(NamedTuple):
    """The union: item rows, ascending, and for each a bit mask of the sources it came through."""

    rows: Rows
    sources: Bits


def source_names(tables: Sequence[str]) -> tuple[str, ...]:
    """Return the name of each source, by the number of its bit."""
    return (OWN, *tables, EMBEDDING, POPULAR, NEW)


def named(mask: int, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the sources in `mask`."""
    return tuple(name for bit, name in enumerate(names) if mask >> bit & 1)


def own_items(past: Past, most: int, allowed: Mask) -> Rows:
    """Return up to `most` allowed items that the customer touched: carted ones, then the latest."""
    at = np.flatnonzero(allowed[past.rows])
    carted = past.strength[at, LANES.index(CART)] > 0
    at = at[np.lexsort((past.latest[at], ~carted))]
    return past.rows[at[:most]]


def reached_items(reached: Reached, table: int, most: int, allowed: Mask) -> Rows:
    """Return the up to `most` allowed items with the greatest sums in a table."""
    return _best(reached.rows, reached.sums, table, most, allowed)


def listed_items(order: Rows, most: int, allowed: Mask) -> Rows:
    """Return the first `most` allowed rows of `order`."""
    return _first(order, most, allowed)


def union(parts: Sequence[Rows], bits: Sequence[int], items: int) -> Candidates:
    """Return all `parts`, each under the bit of its source, as one set over `items` rows."""
    rows = np.concatenate(parts) if parts else np.empty(0, np.int64)
    each = np.repeat(np.array([1 << bit for bit in bits], np.int64), [len(part) for part in parts])
    return Candidates(*_union(rows, each, items))


@compiled("int64[::1](int64[::1], float32[:,::1], int64, int64, boolean[::1])")
def _best(rows: Rows, sums: NDArray[np.float32], table: int, most: int, allowed: Mask) -> Rows:
    found = np.empty(rows.size, np.int64)
    values = np.empty(rows.size, np.float32)
    count = 0
    for at in range(rows.size):
        if sums[at, table] > 0.0 and allowed[rows[at]]:
            found[count], values[count] = rows[at], sums[at, table]
            count += 1
    found, values = found[:count], values[:count]
    if count <= most or most <= 0:
        return found[: max(0, min(count, most))].copy()
    least = np.partition(values, count - most)[count - most]
    kept = np.empty(most, np.int64)
    size = 0
    for at in range(count):
        if values[at] > least:
            kept[size] = found[at]
            size += 1
    for at in range(count):  # ties: in the order they were reached, which follows no target
        if values[at] == least and size < most:
            kept[size] = found[at]
            size += 1
    return kept


@compiled("int64[::1](int64[::1], int64, boolean[::1])")
def _first(order: Rows, most: int, allowed: Mask) -> Rows:
    kept = np.empty(most, np.int64)
    size = 0
    for row in order:
        if size == most:
            break
        if allowed[row]:
            kept[size] = row
            size += 1
    return kept[:size].copy()


@compiled("Tuple((int64[::1], int64[::1]))(int64[::1], int64[::1], int64)")
def _union(rows: Rows, bits: Bits, items: int) -> tuple[Rows, Bits]:
    order = np.argsort(rows, kind="mergesort")
    kept = np.empty(rows.size, np.int64)
    masks = np.zeros(rows.size, np.int64)
    last = -1
    for at in order:
        if rows[at] >= items:
            continue
        if last < 0 or kept[last] != rows[at]:
            last += 1
            kept[last] = rows[at]
        masks[last] |= bits[at]
    return kept[: last + 1].copy(), masks[: last + 1].copy()
