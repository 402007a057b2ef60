"""Calibration: from a raw score to the rate at which candidates of that score are responded to.

The map is a chain of straight lines that never falls, made on customers the trees were not fitted
on. Offers are ordered by raw score; a rate only says what the score is worth.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.numeric.array_types import Doubles
from models.numeric.compiled import compiled


class Calibration(NamedTuple):
    """Knots (n,): raw scores, ascending, and the rates there, never falling, from 0 to 1."""

    scores: NDArray[np.float64]
    rates: NDArray[np.float64]

    def rate(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rate of each raw score; beyond the knots that of the nearest one."""
        return _between(scores, self.scores, self.rates)


@compiled("float64[::1](float64[::1], float64[::1], float64[::1])")
def _between(at: Doubles, knots: Doubles, values: Doubles) -> Doubles:
    """Return what straight lines between the knots (n,) say at each point, the same everywhere."""
    found = np.empty(at.size)
    last = knots.size - 1
    for i in range(at.size):
        right = np.searchsorted(knots, at[i], side="right")
        if right == 0:
            found[i] = values[0]
        elif right > last:
            found[i] = values[last]
        else:
            left = right - 1
            share = (at[i] - knots[left]) / (knots[right] - knots[left])
            found[i] = values[left] + share * (values[right] - values[left])
    return found
