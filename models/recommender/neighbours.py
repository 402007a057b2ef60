"""Item-to-item tables: of each item, its nearest neighbours, by pair of behaviours.

A table such as `purchase>browse` says which items people browse who bought this one. A customer's
history is looked up in every table: the weights of all neighbours of all their items, summed and
maximised by neighbour. A factorisation cannot stand in for it: item-to-item relations are not of
low rank.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.numeric.array_types import Floats, Rows
from models.numeric.compiled import compiled
from models.recommender.item_history import ItemHistory

_BITS = 4095  # of a row, as a mask


class NeighbourTables(NamedTuple):
    """All tables of a release, those of one item side by side: they are read together.

    `lanes` (tables, lanes) is what an interaction in each lane weighs in a table. `starts` is
    (items * tables + 1,): the neighbours of item i in table k stand in `rows` and `weights` from
    `starts[i * tables + k]` up to the start after it.
    """

    names: tuple[str, ...]
    lanes: Floats
    starts: Rows
    rows: NDArray[np.int32]
    weights: Floats


class NeighbourSums(NamedTuple):
    """The neighbours (n,) of all items of a history, in no certain order.

    `sums` and `bests` (n, tables) are the sum and the greatest of the weights that lead to each;
    `totals` (tables,) is what the history itself weighs in each table; `slot` (items,) is the place
    of each item in `rows`, or -1.
    """

    rows: Rows
    sums: Floats
    bests: Floats
    totals: Floats
    slot: NDArray[np.int32]


def look_up_neighbours(tables: NeighbourTables, history: ItemHistory) -> NeighbourSums:
    """Look up the items of `history` in every table."""
    return NeighbourSums(
        *_look_up(
            tables.lanes,
            tables.starts,
            tables.rows,
            tables.weights,
            history.rows,
            history.strength,
        )
    )


def attribute_to_history(
    tables: NeighbourTables, history: ItemHistory, items: Rows, limit: int
) -> Rows:
    """Return (items, limit) places in `history` of what led to each item, strongest first.

    What leads to an item is summed over all tables; equal ones stand in the order of the history,
    and -1 where nothing more does.
    """
    return _attribute(
        tables.lanes,
        tables.starts,
        tables.rows,
        tables.weights,
        history.rows,
        history.strength,
        items,
        limit,
    )


@compiled(
    "int64[:,::1](float32[:,::1], int64[::1], int32[::1], float32[::1], int64[::1],"
    " float32[:,::1], int64[::1], int64)"
)
def _attribute(
    lanes: Floats,
    starts: Rows,
    neighbours: NDArray[np.int32],
    weights: Floats,
    items: Rows,
    strength: Floats,
    wanted: Rows,
    limit: int,
) -> Rows:
    # Nearly no neighbour is wanted: its last bits tell that from a table that stays in the cache.
    maybe = np.zeros(_BITS + 1, np.bool_)
    for row in wanted:
        maybe[row & _BITS] = True
    parts = np.zeros((wanted.size, items.size), np.float32)
    for at in range(items.size):
        for k in range(lanes.shape[0]):
            weight = np.float32(0.0)
            for lane in range(lanes.shape[1]):
                weight += lanes[k, lane] * strength[at, lane]
            if weight <= 0.0:
                continue
            place = items[at] * lanes.shape[0] + k
            for near in range(starts[place], starts[place + 1]):
                row = neighbours[near]
                if maybe[row & _BITS]:
                    for i in range(wanted.size):
                        if wanted[i] == row:
                            parts[i, at] += weight * weights[near]
    found = np.full((wanted.size, limit), -1, np.int64)
    for i in range(wanted.size):
        for n in range(min(limit, items.size)):
            greatest = np.argmax(parts[i])
            if parts[i, greatest] <= 0.0:
                break
            found[i, n] = greatest
            parts[i, greatest] = 0.0
    return found


@compiled(
    "Tuple((int64[::1], float32[:,::1], float32[:,::1], float32[::1], int32[::1]))"
    "(float32[:,::1], int64[::1], int32[::1], float32[::1], int64[::1], float32[:,::1])"
)
def _look_up(
    lanes: Floats,
    starts: Rows,
    neighbours: NDArray[np.int32],
    weights: Floats,
    items: Rows,
    strength: Floats,
) -> tuple[Rows, Floats, Floats, Floats, NDArray[np.int32]]:
    tables = lanes.shape[0]
    total = (starts.size - 1) // tables
    limit = np.int64(0)
    for item in items:
        limit += starts[(item + 1) * tables] - starts[item * tables]
    limit = min(limit, np.int64(total))
    slot = np.full(total, -1, np.int32)
    rows = np.empty(limit, np.int64)
    # Far fewer items are found than could be: each gets its zeros when it is.
    sums = np.empty((limit, tables), np.float32)
    bests = np.empty((limit, tables), np.float32)
    totals = np.zeros(tables, np.float32)
    found = 0
    for at in range(items.size):
        for k in range(tables):
            weight = np.float32(0.0)
            for lane in range(lanes.shape[1]):
                weight += lanes[k, lane] * strength[at, lane]
            if weight <= 0.0:
                continue
            totals[k] += weight
            place = items[at] * tables + k
            for near in range(starts[place], starts[place + 1]):
                row = neighbours[near]
                where = slot[row]
                if where < 0:
                    where = found
                    slot[row] = found
                    rows[found] = row
                    sums[found] = 0.0
                    bests[found] = 0.0
                    found += 1
                value = weight * weights[near]
                sums[where, k] += value
                bests[where, k] = max(bests[where, k], value)
    return rows[:found], sums[:found], bests[:found], totals, slot
