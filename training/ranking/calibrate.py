"""Calibration: from raw scores to rates of a hit, and how far off such rates are."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.special import expit

from models.recommender.calibration import Calibration

KNOTS = 60
MINIMUM_CANDIDATES = 40  # candidates a knot stands for
TOP = 0.01  # the share of greatest rates that has an error of its own


def calibrate(
    scores: NDArray[np.float64], hits: NDArray[np.bool_], prior_weight: float = 0.0
) -> Calibration:
    """Fit a rising map by isotonic regression over quantiles of the scores, finer at the top.

    `scores` and `hits` are (candidates,). The rate of each quantile is shrunk to the one that its
    mean score is the log odds of, which counts for `prior_weight` candidates: where hits are few,
    the map follows the trees and not the luck of a quantile.
    """
    order = np.argsort(scores, kind="stable")
    scores, hits = scores[order], hits[order]
    count = len(scores)
    # Halving what is left above the last cut puts most knots where most hits are.
    cuts = count - np.geomspace(count, min(MINIMUM_CANDIDATES, count), KNOTS)
    edges = np.unique(np.concatenate([cuts.astype(np.int64), [count]]))
    pairs = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    middles = np.array([scores[a:b].mean() for a, b in pairs])
    rates = np.array([hits[a:b].mean() for a, b in pairs])
    sizes = np.array([b - a for a, b in pairs], np.float64)
    middles, first = np.unique(middles, return_index=True)
    rates, sizes = rates[first], sizes[first]
    rates = (rates * sizes + expit(middles) * prior_weight) / (sizes + prior_weight)
    rising = isotonic_regression(rates, weights=sizes).x
    return Calibration(middles, np.clip(rising, 0.0, 1.0))


def calibration_error(
    rates: NDArray[np.float64], hits: NDArray[np.bool_], bins: int = 20
) -> tuple[float, float]:
    """Return the error overall and within the top 1 % of rates.

    Overall it is the mean of |mean rate - share of hits| over bins of equally many candidates; at
    the top the same difference over all of it.
    """
    order = np.argsort(rates, kind="stable")
    parts = np.array_split(order, bins)
    error = sum(abs(rates[p].mean() - hits[p].mean()) * len(p) for p in parts) / len(order)
    top = order[-max(1, int(len(order) * TOP)) :]
    return float(error), float(abs(rates[top].mean() - hits[top].mean()))
