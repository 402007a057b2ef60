"""Catalogue coverage: how much of it lists show, how novel that is, and how alike lists are."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.splits.eval_cases import RankedLists


class CatalogueCoverage(NamedTuple):
    """Figures of one ranker's lists, all cut at the same length.

    `coverage` is the share of items in anybody's list; `novelty` the mean over listed items of
    -log2 of their share of all target events, in bits; `overlap` the mean share of items that the
    lists of two customers have in common.
    """

    coverage: float
    novelty: float
    overlap: float


def catalogue_coverage(
    lists: RankedLists, popular: NDArray[np.float64], k: int
) -> CatalogueCoverage:
    """Return the figures of the first `k` of `lists`; `popular` (items,) counts target events.

    The overlap is exact, over all pairs of customers: an item in c lists is shared by
    c (c - 1) / 2 pairs.
    """
    top = lists[:, :k]
    shown = np.bincount(top[top >= 0], minlength=len(popular))
    share = (popular + 1.0) / (popular.sum() + len(popular))
    listed = shown.sum()
    pairs = len(lists) * (len(lists) - 1)
    # Each pair has k places, or as many as a list is long on average.
    places = listed / max(1, len(lists))
    alike = float((shown * (shown - 1.0)).sum())
    return CatalogueCoverage(
        coverage=float((shown > 0).mean()),
        novelty=float(-(np.log2(share) * shown).sum() / max(1, listed)),
        overlap=alike / (pairs * places) if pairs and listed else 0.0,
    )


def coverage_by_ranker(
    lists: Mapping[str, RankedLists], popular: NDArray[np.float64], k: int
) -> dict[str, CatalogueCoverage]:
    """Return the figures of the first `k` of each ranker's lists."""
    return {name: catalogue_coverage(rows, popular, k) for name, rows in lists.items()}
