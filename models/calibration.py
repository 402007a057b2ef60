"""Calibration: from a raw score to the rate at which candidates of that score are responded to.

The map is a chain of straight lines that never falls, made on customers the trees were not fitted
on. Offers are ordered by raw score; a rate only says what the score is worth.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Calibration(NamedTuple):
    """Knots (n,): raw scores, ascending, and the rates there, never falling, from 0 to 1."""

    scores: NDArray[np.float64]
    rates: NDArray[np.float64]

    def rate(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rate of each raw score; beyond the knots that of the nearest one."""
        found: NDArray[np.float64] = np.interp(scores, self.scores, self.rates)
        return found
