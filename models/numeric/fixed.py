"""Fixed-point numbers: scores that are the same on every machine.

numpy's sums change in the last bits with the CPU's vector width and with BLAS, so two machines can
order two near-equal offers differently. Whole numbers cannot: weights and vectors are rounded to
2^-20 once, and everything after is integer arithmetic, exact in any order. The loops are compiled;
the tests hold them against the same sums in Python's own whole numbers.
"""

import numpy as np
from numpy.typing import NDArray

from models.numeric.array_types import Fixed, Rows, Table
from models.numeric.compiled import compiled

BITS = 20
ONE = 1 << BITS

# |value| < 64 and a customer of up to 100 columns keep 64-dimensional sums of products below 2^63.
LIMIT = 64.0
# A customer's bias is added once and never multiplied.
BIAS_LIMIT = 2000.0

_HALF = ONE // 2
_NARROW = 2**31


def to_fixed(values: NDArray[np.float32], limit: float = LIMIT) -> Table:
    """Round to units of 2^-20; raises `ValueError` for what is not finite or not below `limit`."""
    if not np.isfinite(values).all() or (np.abs(values) >= limit).any():
        raise ValueError(f"not finite, or not below {limit:g}")
    return np.rint(values.astype(np.float64) * ONE).astype(np.int32)


def scale(number: float) -> int:
    """Round one number to units of 2^-20."""
    return round(number * ONE)


def product(a: int, b: int) -> int:
    """Multiply two fixed-point numbers, rounding half up."""
    return (a * b + ONE // 2) >> BITS


@compiled("int64[::1](int32[:,::1], int64[::1], int64[::1])")
def dot(table: Table, rows: Rows, vector: Fixed) -> Fixed:
    """Return `table[rows]` (n, d) times `vector` (d,), rounded to 2^-20: n scores."""
    scores = np.empty(rows.size, np.int64)
    narrow = np.empty(vector.size, np.int32)
    fits = True
    for j in range(vector.size):
        fits &= -_NARROW <= vector[j] < _NARROW
        narrow[j] = vector[j]
    for i in range(rows.size):
        row = rows[i]
        total = np.int64(0)
        if fits:  # twice as fast as whole words
            for j in range(narrow.size):
                total += np.int64(table[row, j]) * np.int64(narrow[j])
        else:
            for j in range(vector.size):
                total += np.int64(table[row, j]) * vector[j]
        scores[i] = (total + _HALF) >> BITS
    return scores


@compiled("int64[::1](int32[:,::1], int64[::1], int64[::1])")
def weighted_sum(table: Table, rows: Rows, weights: Fixed) -> Fixed:
    """Return the sum of `table[rows]` (n, d) weighted by `weights` (n,), rounded: d numbers."""
    total = np.zeros(table.shape[1], np.int64)
    for i in range(rows.size):
        row, weight = rows[i], weights[i]
        for j in range(total.size):
            total[j] += np.int64(table[row, j]) * weight
    for j in range(total.size):
        total[j] = (total[j] + _HALF) >> BITS
    return total


@compiled("int64[::1](int64[::1], int64[::1], int64)")
def top_by_score(scores: Fixed, tie_ranks: Rows, limit: int) -> Rows:
    """Return the positions of the `limit` greatest scores, greatest first.

    At a tie the lesser of `tie_ranks` comes first; these are distinct.
    """
    kept = np.arange(scores.size)
    if scores.size > 2 * limit and limit > 0:
        least = np.partition(scores, scores.size - limit)[scores.size - limit]
        kept = np.flatnonzero(scores >= least)
    kept = kept[np.argsort(tie_ranks[kept])]
    order = np.argsort(-scores[kept], kind="mergesort")
    return kept[order[:limit]]
