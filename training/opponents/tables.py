"""Item-to-item tables: of each item its nearest ones, as a sparse matrix."""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from training.opponents.acts import Floats

_ROWS = 1000  # of similarities held densely at once


def nearest(
    left: sparse.csr_matrix,
    right: sparse.csr_matrix,
    neighbours: int,
    own: bool,
    change: Callable[[Floats, int], Floats] = lambda block, first: block,
) -> sparse.csr_matrix:
    """Return `left` @ `right` (items, items), of each row the `neighbours` greatest above 0.

    An item is among its own neighbours only with `own`. `change` may alter a dense block of rows,
    of which the first is told.
    """
    items = left.shape[0]
    columns, values, ends = [], [], [0]
    for first in range(0, items, _ROWS):
        block = change((left[first : first + _ROWS] @ right).toarray(), first)
        if not own:
            block[np.arange(len(block)), np.arange(first, first + len(block))] = 0.0
        kept = np.argpartition(-block, min(neighbours, items) - 1, axis=1)[:, :neighbours]
        kept.sort(axis=1)
        found = np.take_along_axis(block, kept, axis=1)
        positive = found > 0.0
        columns.append(kept[positive])
        values.append(found[positive])
        ends.extend((ends[-1] + np.cumsum(positive.sum(axis=1))).tolist())
    return sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(columns), np.array(ends)), (items, items)
    )


def cut(table: sparse.csr_matrix, neighbours: int) -> sparse.csr_matrix:
    """Return a table with the `neighbours` greatest of each row; ties go by item."""
    rows = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
    order = np.lexsort((table.indices, -table.data, rows))
    place = np.arange(len(order)) - table.indptr[rows[order]]
    kept = np.sort(order[place < neighbours])
    return sparse.csr_matrix((table.data[kept], (rows[kept], table.indices[kept])), table.shape)


def binary(table: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return a table with 1 for every value."""
    ones = table.copy()
    ones.data = np.ones_like(ones.data)
    return ones
