"""Item-to-item tables: of each item, its nearest neighbours, by pair of behaviours.

A table such as `purchase>browse` says which items people browse who bought this one. A customer's
past is read against every table: the weights of all neighbours of all their items, summed and
maximised by neighbour. A factorisation cannot stand in for it: item-to-item relations are not of
low rank.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.fixed import Rows
from models.past import Floats, Past

_BITS = 4095  # of a row, as a mask


class Neighbours(NamedTuple):
    """All tables of a release, one after the other.

    `lanes` (tables, lanes) is what a touch in each lane weighs when a table is read. The neighbours
    of item i in table k stand in `rows` and `weights` from `starts[k, i]` to `starts[k, i + 1]`.
    """

    names: tuple[str, ...]
    lanes: Floats
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    weights: Floats


class Reached(NamedTuple):
    """The items that a past leads to, in no certain order.

    `sums` and `bests` are (reached, tables); `totals` (tables,) is the weight of the past as each
    table reads it; `slot` (items,) is the place of each item in `rows`, or -1.
    """

    rows: Rows
    sums: Floats
    bests: Floats
    totals: Floats
    slot: NDArray[np.int32]


def reach(tables: Neighbours, past: Past) -> Reached:
    """Read `past` against every table."""
    return Reached(
        *_reach(
            tables.lanes,
            tables.starts,
            tables.rows,
            tables.weights,
            past.rows,
            past.strength,
        )
    )


def carriers(tables: Neighbours, past: Past, items: Rows, most: int) -> Rows:
    """Return (items, most) places in `past` of what led to each item most, -1 for nothing more.

    What leads to an item is summed over all tables; equal ones stand in the order of the past.
    """
    return _carriers(
        tables.lanes,
        tables.starts,
        tables.rows,
        tables.weights,
        past.rows,
        past.strength,
        items,
        most,
    )


@compiled(
    "int64[:,::1](float32[:,::1], int64[:,::1], int32[::1], float32[::1], int64[::1],"
    " float32[:,::1], int64[::1], int64)"
)
def _carriers(
    lanes: Floats,
    starts: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    weights: Floats,
    items: Rows,
    strength: Floats,
    wanted: Rows,
    most: int,
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
            for near in range(starts[k, items[at]], starts[k, items[at] + 1]):
                row = neighbours[near]
                if maybe[row & _BITS]:
                    for i in range(wanted.size):
                        if wanted[i] == row:
                            parts[i, at] += weight * weights[near]
    found = np.full((wanted.size, most), -1, np.int64)
    for i in range(wanted.size):
        for n in range(min(most, items.size)):
            greatest = np.argmax(parts[i])
            if parts[i, greatest] <= 0.0:
                break
            found[i, n] = greatest
            parts[i, greatest] = 0.0
    return found


@compiled(
    "Tuple((int64[::1], float32[:,::1], float32[:,::1], float32[::1], int32[::1]))"
    "(float32[:,::1], int64[:,::1], int32[::1], float32[::1], int64[::1], float32[:,::1])"
)
def _reach(
    lanes: Floats,
    starts: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    weights: Floats,
    items: Rows,
    strength: Floats,
) -> tuple[Rows, Floats, Floats, Floats, NDArray[np.int32]]:
    tables, total = lanes.shape[0], starts.shape[1] - 1
    most = np.int64(0)
    for item in items:
        for k in range(tables):
            most += starts[k, item + 1] - starts[k, item]
    most = min(most, np.int64(total))
    slot = np.full(total, -1, np.int32)
    rows = np.empty(most, np.int64)
    sums = np.zeros((most, tables), np.float32)
    bests = np.zeros((most, tables), np.float32)
    totals = np.zeros(tables, np.float32)
    found = 0
    for at in range(items.size):
        item = items[at]
        for k in range(tables):
            weight = np.float32(0.0)
            for lane in range(lanes.shape[1]):
                weight += lanes[k, lane] * strength[at, lane]
            if weight <= 0.0:
                continue
            totals[k] += weight
            for place in range(starts[k, item], starts[k, item + 1]):
                row = neighbours[place]
                where = slot[row]
                if where < 0:
                    where = found
                    slot[row] = found
                    rows[found] = row
                    found += 1
                value = weight * weights[place]
                sums[where, k] += value
                bests[where, k] = max(bests[where, k], value)
    return rows[:found].copy(), sums[:found].copy(), bests[:found].copy(), totals, slot
