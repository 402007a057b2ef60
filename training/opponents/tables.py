"""Item-to-item tables: of each item its nearest ones, as a sparse matrix."""

import numpy as np
from scipy import sparse

_ROWS = 1000  # of similarities made at once


def nearest(
    left: sparse.csr_matrix, right: sparse.csr_matrix, neighbours: int, own: bool
) -> sparse.csr_matrix:
    """Return `left` @ `right` (items, items), of each row the `neighbours` greatest above 0.

    An item is among its own neighbours only with `own`. Work and memory grow with the pairs of
    items that have anything in common, never with all pairs.
    """
    parts = []
    for first in range(0, left.shape[0], _ROWS):
        block = (left[first : first + _ROWS] @ right).tocsr()
        if not own:
            rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
            block.data[block.indices == rows + first] = 0.0
            block.eliminate_zeros()
        parts.append(cut(block, neighbours))
    return sparse.csr_matrix(sparse.vstack(parts, format="csr"))


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
