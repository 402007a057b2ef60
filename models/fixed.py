"""Fixed-point numbers: scores that are the same on every machine.

numpy's sums change in the last bits with the CPU's vector width and with BLAS, so two machines can
order two near-equal offers differently. Whole numbers cannot: weights and vectors are rounded to
2^-20 once, and everything after is integer arithmetic, exact in any order.
"""

import numpy as np
from numpy.typing import NDArray

BITS = 20
ONE = 1 << BITS

# |value| < 64 and a customer of up to 100 columns keep 64-dimensional sums of products below 2^63.
LIMIT = 64.0
# A customer's bias is added once and never multiplied.
BIAS_LIMIT = 2000.0

Fixed = NDArray[np.int64]


def to_fixed(values: NDArray[np.float32], limit: float = LIMIT) -> NDArray[np.int32]:
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


def dot(rows: NDArray[np.int32], vector: Fixed) -> Fixed:
    """Return rows (n, d) times vector (d,), rounded to 2^-20: n scores."""
    exact: Fixed = (rows.astype(np.int64) * vector).sum(axis=1)
    return _rounded(exact)


def weighted_sum(rows: NDArray[np.int32], weights: Fixed) -> Fixed:
    """Return the sum of rows (n, d) weighted by weights (n,), rounded to 2^-20: d numbers."""
    exact: Fixed = (rows.astype(np.int64) * weights[:, None]).sum(axis=0)
    return _rounded(exact)


def _rounded(exact: Fixed) -> Fixed:
    rounded: Fixed = (exact + ONE // 2) >> BITS
    return rounded
