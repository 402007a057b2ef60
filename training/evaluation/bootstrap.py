"""Bootstrap intervals: how far a mean could be off, as the cases are a sample."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95
_CELLS = 8_000_000  # of a block of resamples, which bounds memory


class Interval(NamedTuple):
    """A mean with the bounds of its 95 % percentile interval."""

    value: float
    low: float
    high: float


def intervals(
    values: NDArray[np.float64],
    seed: int,
    resamples: int = RESAMPLES,
    *,
    of: NDArray[np.int64] | None = None,
) -> list[Interval]:
    """Return an interval for the mean of each column of `values` (cases, columns).

    All columns see the same resamples, so a column of differences gives a paired interval. Where
    `of` (cases,) has the customer of each case, all cases of one customer are drawn together, since
    they are not independent.
    """
    mean = values.mean(axis=0)
    sizes = np.ones(len(values), np.int64)
    if of is not None:
        _, customer, sizes = np.unique(of, return_inverse=True, return_counts=True)
        values = np.stack([np.bincount(customer, column) for column in values.T], axis=1)
    cases = len(values)
    random = np.random.default_rng([seed, 3])
    means = np.empty((resamples, values.shape[1]))
    block = max(1, _CELLS // cases)
    for first in range(0, resamples, block):
        rows = min(block, resamples - first)
        drawn = random.integers(cases, size=(rows, cases))
        drawn += (np.arange(rows) * cases)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * cases).reshape(rows, cases)
        means[first : first + rows] = (counts @ values) / (counts @ sizes)[:, None]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return [
        Interval(float(value), float(a), float(b))
        for value, a, b in zip(mean, low, high, strict=True)
    ]
