"""Fit the ranker's trees on groups; the only file that imports lightgbm.

Only groups whose target is among the candidates teach anything, and a few dozen of each group's
negatives say as much as all of them. One thread and a seed give the same text, bit for bit.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Annotated

import lightgbm
import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import BadInput
from models.numeric.array_types import Floats, Rows
from models.recommender.feature_group import Feature
from models.recommender.trees import MOST_LEAVES
from training.ranking.groups import CandidateGroups

_LEAVES = re.compile(r"^leaf_value=(.*)$", re.MULTILINE)
_SIZES = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)
Many = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]

_NUMBER = re.compile(r"^Tree=\d+$", re.MULTILINE)
_BEGIN, _END = "Tree=0\n", "end of trees"
_BAG_SEED_STEP = 1_000_003  # between the seeds of two bags


@dataclass(frozen=True, kw_only=True)
class RankerSettings:
    """How the trees are grown: `leaves` at most 32 each; `negatives` are drawn from each group.

    `bags` ensembles of `trees` each are grown under seeds of their own, which draw other negatives,
    rows and features. Their scores are averaged, which evens out what one of them learnt by chance.

    `unused` names features that no tree looks at. Among few items whose popularity changes, the
    features of an item only identify it, and a tree would learn which item is popular just now.
    `used` names the only features that trees look at, for data with few hits; empty, they look at
    all. With `by_group` a group counts once, however many targets it has, so that the few places of
    a list are not filled with items that are bought together.
    """

    bags: Annotated[int, msgspec.Meta(ge=1, le=20)] = 1
    trees: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    leaves: Annotated[int, msgspec.Meta(ge=2, le=MOST_LEAVES)] = 31
    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.08
    negatives: Many = 60
    least_rows: Many = 50
    column_share: Share = 0.7
    row_share: Share = 0.8
    ridge: Annotated[float, msgspec.Meta(ge=0)] = 10.0
    bins: Annotated[int, msgspec.Meta(ge=2, le=255)] = 127
    unused: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    by_group: bool = False


def fit_trees(
    parts: Sequence[tuple[CandidateGroups, Rows]],
    features: Sequence[Feature],
    settings: RankerSettings,
    seed: int,
) -> str:
    """Fit on the chosen groups of each part and return LightGBM's text of the ensemble.

    Each of `parts` is groups and the indices of those to fit on. Raises `BadInput` where the
    settings name an unknown feature.
    """
    return average_ensembles(
        [_bag(parts, features, settings, seed, bag) for bag in range(settings.bags)]
    )


def _bag(
    parts: Sequence[tuple[CandidateGroups, Rows]],
    features: Sequence[Feature],
    settings: RankerSettings,
    seed: int,
    bag: int,
) -> str:
    # The first bag is seeded as a single one is.
    random = np.random.default_rng([seed, 6, bag] if bag else [seed, 6])
    matrices, hits, weights = [], [], []
    for groups, chosen in parts:
        rows = _sampled(groups, chosen, settings.negatives, random)
        matrices.append(groups.matrix[rows])
        hits.append(groups.hit[rows])
        weights.append(_group_weights(groups)[rows])
    return grow_trees(
        np.concatenate(matrices),
        np.concatenate(hits),
        features,
        settings,
        seed + _BAG_SEED_STEP * bag,
        weights=np.concatenate(weights) if settings.by_group else None,
    )


def grow_trees(
    matrix: Floats,
    hits: NDArray[np.bool_],
    features: Sequence[Feature],
    settings: RankerSettings,
    seed: int,
    start: str = "",
    weights: Floats | None = None,
) -> str:
    """Fit on all rows of `matrix` (rows, features) and return LightGBM's text of the ensemble.

    `hits` (rows,) is what to predict; `weights` (rows,) is how much each row counts, by default the
    same. With `start`, the text of an ensemble, its trees come first and the new ones correct them.
    Raises `BadInput` where the settings name an unknown feature.
    """
    names = {feature.name for feature in features}
    for key, named in (("unused", settings.unused), ("used", settings.used)):
        if unknown := sorted(set(named) - names):
            raise BadInput(f"ranker.{key}", f"no such signal: {', '.join(unknown)}")
    features_used = (set(settings.used) or names) - set(settings.unused)
    data = lightgbm.Dataset(
        matrix,
        hits.astype(np.float32),
        weight=weights,
        feature_name=[feature.column for feature in features],
        params={"max_bin": settings.bins, "use_missing": False, "verbose": -1},
    )
    parameters = {
        "objective": "binary",
        "num_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": settings.least_rows,
        "feature_fraction": settings.column_share,
        "bagging_fraction": settings.row_share,
        "bagging_freq": 1,
        "lambda_l2": settings.ridge,
        # Multiplies the gain of a split by each feature: with 0 there is no such split.
        "feature_contri": [float(feature.name in features_used) for feature in features],
        "monotone_constraints": [feature.monotone for feature in features],
        "max_bin": settings.bins,
        "use_missing": False,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "verbose": -1,
    }
    before = lightgbm.Booster(model_str=start) if start else None
    booster = lightgbm.train(parameters, data, settings.trees, init_model=before)
    return str(booster.model_to_string())


def scale_scores(text: str, slope: float, shift: float) -> str:
    """Return the text of an ensemble that scores `slope` times what `text` does, plus `shift`."""
    shifts = iter([shift])  # for the first tree only

    def leaves(found: re.Match[str]) -> str:
        more = next(shifts, 0.0)
        values = (slope * float(value) + more for value in found[1].split())
        return "leaf_value=" + " ".join(map(repr, values))

    # LightGBM finds the trees by their sizes, which have changed; without sizes it searches.
    return _LEAVES.sub(leaves, _SIZES.sub("", text))


def average_ensembles(texts: Sequence[str]) -> str:
    """Return the text of one ensemble whose score is the mean of those of `texts`."""
    if len(texts) == 1:
        return texts[0]
    parts = [_cut(scale_scores(text, 1 / len(texts), 0.0)) for text in texts]
    head, _, tail = parts[0]
    number = count()
    trees = "".join(trees for _, trees, _ in parts)
    return head + _NUMBER.sub(lambda found: f"Tree={next(number)}", trees) + tail


def _cut(text: str) -> tuple[str, str, str]:
    """Return what comes before the trees, the trees, and what comes after."""
    head, begin, rest = text.partition(_BEGIN)
    trees, end, tail = rest.partition(_END)
    return head, begin + trees, end + tail


def _group_weights(groups: CandidateGroups) -> Floats:
    """Return (candidates,): 1 / the hits of the candidate's group."""
    hits = np.bincount(groups.group, groups.hit, len(groups))
    return (1.0 / np.maximum(hits, 1.0)).astype(np.float32)[groups.group]


def _sampled(
    groups: CandidateGroups, chosen: Rows, negatives: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return the rows to learn from: every hit, and up to `negatives` others of its group."""
    kept = []
    for group in chosen.tolist():
        rows = np.arange(groups.starts[group], groups.starts[group + 1])
        hit = groups.hit[rows]
        if not hit.any():
            continue
        others = rows[~hit]
        if len(others) > negatives:
            others = np.sort(random.choice(others, negatives, replace=False))
        kept += [rows[hit], others]
    return np.sort(np.concatenate(kept))
