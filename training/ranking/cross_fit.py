"""Cross-fitting: every group is scored by trees, and calibrated by a map, that never saw it.

Customers are dealt into folds under the seed. For each fold, trees are fitted on nine tenths of the
other folds' customers and calibrated on the last tenth; nothing of the fold itself is looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import BadDataset
from models.recommender.calibration import Calibration
from models.recommender.ranker_features import Feature
from models.recommender.trees import Trees, read_trees
from training.progress import Progress, no_progress
from training.ranking.calibrate import calibrate
from training.ranking.fit_trees import RankerSettings, fit_trees
from training.ranking.groups import CandidateGroups

CALIBRATION_SHARE = 0.1  # of the customers
MINIMUM_GROUPS = 20  # groups with a target among the candidates: fewer teach nothing


class NothingToLearn(BadDataset):
    """Too few groups whose target is among the candidates."""


@dataclass(frozen=True)
class FoldData:
    """Groups to learn from; `customers` (groups,) says whose each is."""

    groups: CandidateGroups
    customers: NDArray[np.int64]


@dataclass(frozen=True)
class FittedTrees:
    """An ensemble with its calibration."""

    trees: Trees
    calibration: Calibration


def fit_calibrated(
    main: FoldData,
    extra: Sequence[FoldData],
    features: Sequence[Feature],
    settings: RankerSettings,
    seed: int,
    left_out: NDArray[np.int64] | None = None,
) -> FittedTrees:
    """Fit on all customers but `left_out`; calibrated on a tenth of those in `main`.

    Raises `NothingToLearn` where hardly a target is among the candidates.
    """
    barred = np.empty(0, np.int64) if left_out is None else left_out
    random = np.random.default_rng([seed, 7])
    present = np.setdiff1d(np.unique(main.customers), barred)
    apart = random.permutation(present)[: max(1, round(len(present) * CALIBRATION_SHARE))]
    held = np.union1d(barred, apart)
    chosen = [
        (part.groups, np.flatnonzero(~np.isin(part.customers, held))) for part in (main, *extra)
    ]
    found = sum(int(groups.has_target[rows].sum()) for groups, rows in chosen)
    if found < MINIMUM_GROUPS:
        raise NothingToLearn(
            f"events.parquet: {found} candidates to learn from; min {MINIMUM_GROUPS}"
        )
    trees = read_trees(fit_trees(chosen, features, settings, seed))
    rows = np.isin(main.customers, apart)[main.groups.group]
    scores = trees.score(main.groups.matrix[rows])
    return FittedTrees(trees, calibrate(scores, main.groups.hit[rows]))


def cross_fit(
    main: FoldData,
    extra: Sequence[FoldData],
    features: Sequence[Feature],
    settings: RankerSettings,
    folds: int,
    seed: int,
    progress: Progress = no_progress,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the raw score and the rate of every candidate of `main`, each out of fold."""
    everyone = np.unique(main.customers)
    dealt = np.random.default_rng([seed, 8]).permutation(len(everyone)) % folds
    group = main.groups.group
    scores = np.empty(len(main.groups.rows))
    rates = np.empty(len(main.groups.rows))
    for fold in range(folds):
        out = everyone[dealt == fold]
        fitted = fit_calibrated(main, extra, features, settings, seed, out)
        rows = np.flatnonzero(np.isin(main.customers, out)[group])
        for part in np.array_split(rows, max(1, len(rows) // 200_000)):
            scores[part] = fitted.trees.score(main.groups.matrix[part])
        rates[rows] = fitted.calibration.rate(scores[rows])
        progress(fold + 1, folds)
    return scores, rates
