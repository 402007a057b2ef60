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
from models.recommender.ranker_features import Feature
from training.ranking.groups import CandidateGroups

_LEAVES = re.compile(r"^leaf_value=(.*)$", re.MULTILINE)
_SIZES = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)
_NUMBER = re.compile(r"^Tree=\d+$", re.MULTILINE)
_BEGIN, _END = "Tree=0\n", "end of trees"
_BAG_SEED_STEP = 1_000_003  # between the seeds of two bags


@dataclass(frozen=True, kw_only=True)
class RankerSettings:
    """How the trees are grown: `leaves` at most 32 each; `negatives` are drawn from each group.

    `bags` ensembles of `trees` each are grown under seeds of their own, with other negatives, rows
    and signals, and their scores averaged: what one of them learnt by chance, the others did not.

    `unused` names signals that no tree looks at: among few items whose fortunes change, the facts
    of an item only tell which one it is, and a tree learns the fashion of the day. `used` names
    the only ones that trees look at; without it they look at all: few hits teach little. With
    `by_group` a group counts once, however many targets it has: the few places of a list are then
    not filled with what is bought together.
    """

    bags: Annotated[int, msgspec.Meta(ge=1, le=20)] = 1
    trees: int = 100
    leaves: int = 31
    learning_rate: float = 0.08
    negatives: int = 60
    least_rows: int = 50
    column_share: float = 0.7
    row_share: float = 0.8
    ridge: float = 10.0
    bins: int = 127
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

    Raises `BadInput` where the settings leave out what is no signal.
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
    # The first is what one alone would be.
    random = np.random.default_rng([seed, 6, bag] if bag else [seed, 6])
    matrices, hits, weights = [], [], []
    for groups, chosen in parts:
        rows = _sampled(groups, chosen, settings.negatives, random)
        matrices.append(groups.matrix[rows])
        hits.append(groups.hit[rows])
        weights.append(_once(groups)[rows])
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
    """Fit on all rows of `matrix` (rows, signals) and return LightGBM's text of the ensemble.

    `weights` (rows,) say how much each row counts: the same, unless given.
    With `start`, the text of an ensemble, its trees come first, and those that are grown correct
    them. Raises `BadInput` where the settings leave out what is no signal.
    """
    names = {signal.name for signal in features}
    for key, named in (("unused", settings.unused), ("used", settings.used)):
        if unknown := sorted(set(named) - names):
            raise BadInput(f"ranker.{key}", f"no such signal: {', '.join(unknown)}")
    looked_at = (set(settings.used) or names) - set(settings.unused)
    data = lightgbm.Dataset(
        matrix,
        hits.astype(np.float32),
        weight=weights,
        feature_name=[signal.column for signal in features],
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
        # The gain of a split by a signal counts this many times: 0, and there is none.
        "feature_contri": [float(signal.name in looked_at) for signal in features],
        "monotone_constraints": [signal.monotone for signal in features],
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
    left = iter([shift])  # for the first tree

    def leaves(found: re.Match[str]) -> str:
        more = next(left, 0.0)
        values = (slope * float(value) + more for value in found[1].split())
        return "leaf_value=" + " ".join(map(repr, values))

    # LightGBM finds the trees by their sizes, which are other ones now; without them it looks.
    return _LEAVES.sub(leaves, _SIZES.sub("", text))


def average_ensembles(texts: Sequence[str]) -> str:
    """Return the text of one ensemble that scores the mean of what those of `texts` do."""
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


def _once(groups: CandidateGroups) -> Floats:
    """Return for each candidate one over the hits of its group."""
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
