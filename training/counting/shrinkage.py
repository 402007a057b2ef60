"""How strongly the shares of customers with an attribute are shrunk to those of everybody.

The strength is the one that best predicts other customers with the same attribute: shares are
counted on half of the customers and judged by the likelihood of what the other half turns to.
Judged by later events of the same customers, a small segment would look better than it is.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STRENGTHS = 10.0 * 2.0 ** np.arange(16)  # pseudo-events of everybody, from few to nearly only these


def shrinkage_strength(halves: Floats, shares: Floats) -> float:
    """Return how many pseudo-events of everybody are added to those of each value of an attribute.

    `halves` (2, values, items) count the events of two halves of the customers; `shares` (items,)
    are those of everybody, all positive. The result is one of `STRENGTHS`, or inf where no value of
    the attribute predicts better than everybody.
    """
    gains = np.zeros(len(STRENGTHS))
    for counted, others in (halves, halves[::-1]):
        for own, seen in zip(counted, others, strict=True):
            rows = np.flatnonzero(seen)
            shrunk = own[rows] + STRENGTHS[:, None] * shares[rows]
            shrunk /= own.sum() + STRENGTHS[:, None]
            gains += np.log(shrunk / shares[rows]) @ seen[rows]
    best = int(gains.argmax())
    return float(STRENGTHS[best]) if gains[best] > 0 else np.inf
