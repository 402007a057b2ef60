"""Features by table: how the customer's history leads to the item, as each table reads it."""

import numpy as np
from numpy.typing import NDArray

from models.numeric.array_types import Floats, Rows
from models.numeric.compiled import compiled
from models.recommender.feature_group import Feature, FeatureGroup, FeatureInputs
from models.recommender.neighbours import NeighbourSums


def greatest_sums(rows: Rows, neighbours: NeighbourSums) -> Floats:
    """Return the greatest sum of each table (tables,) among the candidates `rows`."""
    return _greatest(rows, neighbours.slot, neighbours.sums)


def _fill(columns: Floats, of: FeatureInputs) -> None:
    neighbours = of.neighbours
    _fill_columns(
        columns,
        of.rows,
        neighbours.slot,
        neighbours.sums,
        neighbours.bests,
        neighbours.totals,
        of.greatest,
    )


BY_TABLE = FeatureGroup(
    (
        Feature("sum", "weight of all neighbours of what the customer did, by this table", 1),
        Feature("best", "weight of the nearest of them"),
        Feature("mean", "the sum over the weight of the customer's history"),
        Feature("share", "the sum over the greatest sum among the candidates"),
    ),
    _fill,
    by_table=True,
)


@compiled(
    "void(float32[:,::1], int64[::1], int32[::1], float32[:,::1], float32[:,::1], float32[::1],"
    " float32[::1])"
)
def _fill_columns(
    columns: Floats,
    rows: Rows,
    slot: NDArray[np.int32],
    sums: Floats,
    bests: Floats,
    totals: Floats,
    greatest: Floats,
) -> None:
    for k in range(totals.size):
        first = 4 * k
        for at in range(rows.size):
            where = slot[rows[at]]
            if where >= 0 and sums[where, k] > 0.0:
                columns[first, at] = sums[where, k]
                columns[first + 1, at] = bests[where, k]
                columns[first + 2, at] = sums[where, k] / totals[k]
                # What may not be proposed can have a greater sum than any candidate.
                columns[first + 3, at] = sums[where, k] / max(greatest[k], sums[where, k])
            else:
                columns[first, at] = 0.0
                columns[first + 1, at] = 0.0
                columns[first + 2, at] = 0.0
                columns[first + 3, at] = 0.0


@compiled("float32[::1](int64[::1], int32[::1], float32[:,::1])")
def _greatest(rows: Rows, slot: NDArray[np.int32], sums: Floats) -> Floats:
    greatest = np.zeros(sums.shape[1], np.float32)
    for at in range(rows.size):
        where = slot[rows[at]]
        if where >= 0:
            for k in range(greatest.size):
                greatest[k] = max(greatest[k], sums[where, k])
    return greatest
