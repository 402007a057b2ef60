"""Metrics of ranked lists, with their formulas; one row a case.

`hits` (n, K) says whether the item at rank 1 to K of a case's list is one of its targets; `targets`
(n,) counts the distinct targets of each case, those no list could hold included. Each function
returns one value a case, between 0 and 1; the figure reported is the mean over cases.
"""

import numpy as np
from numpy.typing import NDArray

Hits = NDArray[np.bool_]
Counts = NDArray[np.int64]
Values = NDArray[np.float64]


def recall(hits: Hits, targets: Counts, k: int) -> Values:
    """R@k = hits among the first k / min(k, targets)."""
    return np.asarray(hits[:, :k].sum(axis=1) / np.minimum(k, targets), np.float64)


def hit_rate(hits: Hits, targets: Counts, k: int) -> Values:
    """HR@k = 1 if any of the first k is a hit, else 0."""
    return np.asarray(hits[:, :k].any(axis=1), np.float64)


def reciprocal_rank(hits: Hits, targets: Counts, k: int) -> Values:
    """MRR@k = 1 / rank of the first hit within k, or 0 without one."""
    top = hits[:, :k]
    first = top.argmax(axis=1) + 1
    values: Values = np.where(top.any(axis=1), 1.0 / first, 0.0)
    return values


def ndcg(hits: Hits, targets: Counts, k: int) -> Values:
    """NDCG@k = DCG / ideal, sums of 1 / log2(rank + 1): over hits / ranks 1..min(k, targets)."""
    gains = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(gains)[np.minimum(k, targets) - 1]
    top = hits[:, :k]
    values: Values = (top * gains[: top.shape[1]]).sum(axis=1) / ideal
    return values


METRICS = {"recall": recall, "hr": hit_rate, "mrr": reciprocal_rank, "ndcg": ndcg}


def metric_table(hits: Hits, targets: Counts, ks: tuple[int, ...]) -> tuple[list[str], Values]:
    """Return the names of all metrics at all `ks`, such as `recall@10`, and values (n, metrics)."""
    names = [f"{name}@{k}" for k in ks for name in METRICS]
    columns = [metric(hits, targets, k) for k in ks for metric in METRICS.values()]
    return names, np.stack(columns, axis=1)
