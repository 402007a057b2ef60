"""How far the shares of customers with an attribute are drawn to those of everybody.

As far as it helps to foretell others with it: shares are counted on half of the customers, and how
strongly they are drawn is judged by the likelihood of what the other half turns to. Its own later
acts would praise a small segment for what only these few customers do.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STRENGTHS = 10.0 * 2.0 ** np.arange(16)  # pseudo-events of everybody, from few to nearly only these


def shrinkage_strength(halves: Floats, shares: Floats) -> float:
    """Return among how many events of everybody those of each value of an attribute are seen.

    `halves` (2, values, items) count the events of two halves of the customers, `shares` (items,)
    are those of everybody, all positive. It is infinite where the attribute foretells nothing.
    """
    gains = np.zeros(len(STRENGTHS))
    for counted, others in (halves, halves[::-1]):
        for own, met in zip(counted, others, strict=True):
            rows = np.flatnonzero(met)
            drawn = own[rows] + STRENGTHS[:, None] * shares[rows]
            drawn /= own.sum() + STRENGTHS[:, None]
            gains += np.log(drawn / shares[rows]) @ met[rows]
    best = int(gains.argmax())
    return float(STRENGTHS[best]) if gains[best] > 0 else np.inf
