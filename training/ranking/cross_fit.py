"""Cross-fitting: every group is scored by trees and calibrated by a map that never saw it.

Customers are dealt into folds under the seed. For each fold, trees are fitted on nine tenths of the
customers of the other folds and calibrated on the last tenth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import BadDataset
from models.recommender.calibration import Calibration
from models.recommender.feature_group import Feature
from models.recommender.trees import Trees, read_trees
from training.progress import Progress, no_progress
from training.ranking.calibrate import calibrate
from training.ranking.fit_trees import RankerSettings, fit_trees
from training.ranking.groups import CandidateGroups

CALIBRATION_SHARE = 0.1  # of the customers
MINIMUM_GROUPS = 20  # with a target among their candidates; fewer teach nothing


class NothingToLearn(BadDataset):
    """Too few groups whose target is among the candidates."""


@dataclass(frozen=True)
class FoldData:
    """Groups to learn from, and the customer of each (groups,), -1 for an unknown one."""

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
    """Fit on all customers but `left_out`, and calibrate on a tenth of those in `main`.

    That tenth, drawn under `seed`, is not fitted on. Raises `NothingToLearn` where fewer than
    `MINIMUM_GROUPS` targets are among the candidates.
    """
    excluded = np.empty(0, np.int64) if left_out is None else left_out
    random = np.random.default_rng([seed, 7])
    present = np.setdiff1d(np.unique(main.customers), excluded)
    calibration_customers = random.permutation(present)[
        : max(1, round(len(present) * CALIBRATION_SHARE))
    ]
    unseen = np.union1d(excluded, calibration_customers)
    chosen = [
        (part.groups, np.flatnonzero(~np.isin(part.customers, unseen))) for part in (main, *extra)
    ]
    with_target = sum(int(groups.has_target[rows].sum()) for groups, rows in chosen)
    if with_target < MINIMUM_GROUPS:
        raise NothingToLearn(
            f"events.parquet: {with_target} candidates to learn from; min {MINIMUM_GROUPS}"
        )
    trees = read_trees(fit_trees(chosen, features, settings, seed))
    rows = np.isin(main.customers, calibration_customers)[main.groups.group]
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
    fold_of = np.random.default_rng([seed, 8]).permutation(len(everyone)) % folds
    group = main.groups.group
    scores = np.empty(len(main.groups.rows))
    rates = np.empty(len(main.groups.rows))
    for fold in range(folds):
        fold_customers = everyone[fold_of == fold]
        fitted = fit_calibrated(main, extra, features, settings, seed, fold_customers)
        rows = np.flatnonzero(np.isin(main.customers, fold_customers)[group])
        for part in np.array_split(rows, max(1, len(rows) // 200_000)):
            scores[part] = fitted.trees.score(main.groups.matrix[part])
        rates[rows] = fitted.calibration.rate(scores[rows])
        progress(fold + 1, folds)
    return scores, rates
