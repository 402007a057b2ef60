"""Scoring of tree ensembles: LightGBM's own scores to the last bit, and refusal of what is not."""

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import BadRelease
from models.recommender.trees import read_trees
from tests.support.naive_trees import walked

COLUMNS = 7


def fitted(leaves: int = 31, trees: int = 40, **parameters: object) -> lightgbm.Booster:
    """Return an ensemble on columns of several kinds: continuous, whole, constant, large."""
    x = matrix(3_000, 1)
    hits = (x[:, 0] * x[:, 1] + x[:, 2] > 0.5).astype(np.float32)
    chosen = {"objective": "binary", "num_leaves": leaves, "verbose": -1, "num_threads": 1}
    chosen |= {"use_missing": False, "min_data_in_leaf": 5, "seed": 1}
    return lightgbm.train({**chosen, **parameters}, lightgbm.Dataset(x, hits), trees)


def matrix(rows: int, seed: int) -> NDArray[np.float32]:
    """Return random rows, some values exactly where splits fall."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, COLUMNS))
    x[:, 2] = np.round(x[:, 2])
    x[:, 3] = 0.0
    x[:, 4] = 10_000.0 * (random.random(rows) < 0.5)
    x[:, 5] = np.round(x[:, 5], 1)
    return x.astype(np.float32)


@pytest.mark.parametrize("leaves", [2, 15, 31, 32])
def test_scores_are_lightgbms_to_the_last_bit(leaves: int) -> None:
    """Raw scores equal those of LightGBM exactly, for rows seen and not seen, near splits too."""
    booster = fitted(leaves)
    trees = read_trees(booster.model_to_string())
    for x in (matrix(3_000, 1), matrix(500, 2)):
        assert (trees.score(x) == booster.predict(x, raw_score=True)).all()


def test_masks_find_the_leaf_that_a_walk_finds() -> None:
    """The scores by masks equal those of a plain walk down every tree, in double precision."""
    text = fitted(trees=10).model_to_string()
    x = matrix(200, 3)
    assert read_trees(text).score(x).tolist() == walked(text, x)


def test_a_value_beside_a_threshold_goes_the_right_way() -> None:
    """The float32 numbers around each threshold are split as double precision splits them."""
    text = fitted(trees=20).model_to_string()
    booster = lightgbm.Booster(model_str=text)
    trees = read_trees(text)
    rows = np.repeat(matrix(1, 4), 3 * len(trees.column), axis=0)
    assert len(trees.column) > 100
    for at, (column, limit) in enumerate(zip(trees.column, trees.threshold, strict=True)):
        if abs(limit) < 1e-30:  # LightGBM takes what is nearer to zero than 1e-35 for zero
            continue
        for step, toward in enumerate((-np.inf, limit, np.inf)):
            rows[3 * at + step, column] = np.nextafter(limit, np.float32(toward))
    assert (trees.score(rows) == booster.predict(rows, raw_score=True)).all()


def test_an_ensemble_of_one_leaf_scores_it() -> None:
    """A tree without a split gives its one value to every row."""
    booster = fitted(trees=1, min_data_in_leaf=3_000)
    x = matrix(10, 5)
    found = read_trees(booster.model_to_string()).score(x)
    assert (found == booster.predict(x, raw_score=True)).all()


def test_no_rows_give_no_scores() -> None:
    """A customer without candidates is scored, too."""
    trees = read_trees(fitted(trees=2).model_to_string())
    assert trees.score(np.empty((0, COLUMNS), np.float32)).shape == (0,)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"num_leaves": 40}, "leaves"),
        ({"categories": True}, "categorical"),
        ({"use_missing": True, "zero_as_missing": True}, "missing"),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "summed"),
        ({"linear_tree": True}, "linear"),
    ],
)
def test_what_cannot_be_scored_exactly_is_refused(
    parameters: dict[str, object], reason: str
) -> None:
    """Too many leaves, categories, missing values, averages and linear leaves are refused."""
    x = matrix(3_000, 1)
    x[:, 2] = np.abs(x[:, 2])
    hits = (x[:, 0] * x[:, 1] + x[:, 2] > 0.5).astype(np.float32)
    chosen = {"objective": "binary", "verbose": -1, "use_missing": False, "min_data_in_leaf": 5}
    chosen |= {"num_threads": 1, "min_data_per_group": 5, **parameters}
    categories = [2] if chosen.pop("categories", None) else "auto"
    data = lightgbm.Dataset(x, hits, categorical_feature=categories)  # type: ignore[arg-type]
    text = lightgbm.train(chosen, data, 5).model_to_string()
    with pytest.raises(BadRelease, match=reason):
        read_trees(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("left_child=", "left_child=0 "),
        ("num_leaves=", "num_leaves=1"),
        ("leaf_value=", "leaf_value=nan "),
        ("split_feature=", "split_feature=99 "),
        ("Tree=0", "Trunk=0"),
        ("threshold=", "threshold=x "),
    ],
)
def test_a_damaged_text_is_refused(old: str, new: str) -> None:
    """A text whose parts do not fit together is refused before anything is scored."""
    text = fitted(leaves=4, trees=1).model_to_string()
    assert old in text
    with pytest.raises(BadRelease, match=r"ranker\.txt"):
        read_trees(text.replace(old, new, 1))


def test_no_change_of_a_text_does_more_than_be_refused() -> None:
    """A text changed anywhere is refused by name, or still an ensemble that scores in bounds."""
    text = fitted(leaves=6, trees=3).model_to_string().partition("feature_importances")[0]
    random = np.random.default_rng(1)
    x = matrix(20, 6)
    refused = []
    for _ in range(1_500):
        at = int(random.integers(len(text)))
        end = at + int(random.integers(3))
        put = "".join(random.choice(list("0123456789-.en =\n"), int(random.integers(4))))
        try:
            found = read_trees(text[:at] + put + text[end:])
            assert np.isfinite(found.score(np.resize(x, (20, len(found.features))))).all()
        except BadRelease as error:
            refused.append(str(error))
    assert 300 < len(refused) < 1_500
    assert all(said.startswith("ranker.txt: ") for said in refused)
