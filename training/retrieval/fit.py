"""Fit LightFM on examples and hand out its arrays; the only file that imports lightfm.

The WARP loss draws negatives among items that some row turned to. A customer's other targets are
stored as explicit zeros: training skips them, and the look-up that guards against false negatives
finds them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from lightfm import LightFM
from numpy.typing import NDArray
from scipy import sparse

from models.domain.catalogue import Item
from models.recommender.user_features import CONSTANT
from training.progress import Progress, no_progress
from training.retrieval.examples import Examples

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class StageOneSettings:
    """How a model is fitted.

    `dimensions` is the length of a vector with its bias, a multiple of 8. A history column must
    occur in `least_rows` rows, a feature column of items in `least_items` items.
    """

    dimensions: int = 64
    epochs: int = 30
    learning_rate: float = 0.05
    most_draws: int = 20
    least_rows: int = 3
    least_items: int = 3
    feature_weight: float = 1.0
    attribute_weight: float = 1.0
    regularisation: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FittedVectors:
    """A fitted model as arrays, biases in the last dimension, as a release holds it."""

    items: list[str]
    item_features: list[str]
    user_features: list[str]
    item_vectors: Floats
    item_feature_vectors: Floats
    user_feature_vectors: Floats


def fit_vectors(
    examples: Examples,
    catalogue: Mapping[str, Item],
    settings: StageOneSettings,
    seed: int,
    progress: Progress = no_progress,
) -> FittedVectors:
    """Fit on `examples` and place every item of `catalogue`, by id; `progress` after each epoch.

    An item that no row turned to has no identity column: its vector is the sum of its features'.
    Deterministic for a seed.
    """
    names, users = _user_matrix(examples, settings.least_rows)
    scales = np.array(
        [
            settings.attribute_weight if name in examples.attribute_columns else 1.0
            for name in names
        ],
        np.float32,
    )
    users = sparse.csr_matrix(users.multiply(scales))
    trained = sorted(examples.items)
    features = _feature_names([catalogue[item] for item in trained], settings.least_items)
    rows_of = {name: at for at, name in enumerate(features)}
    described = _feature_matrix([catalogue[item] for item in trained], rows_of)
    items = sparse.hstack(
        [
            sparse.identity(len(trained), np.float32, format="csr"),
            described * settings.feature_weight,
        ],
        format="csr",
        dtype=np.float32,
    )
    model = LightFM(
        no_components=settings.dimensions - 1,
        loss="warp",
        learning_rate=settings.learning_rate,
        max_sampled=settings.most_draws,
        item_alpha=settings.regularisation,
        user_alpha=settings.regularisation,
        random_state=seed,
    )
    interactions = _interactions(examples, trained)
    for epoch in range(settings.epochs):
        model.fit_partial(interactions, user_features=users, item_features=items)
        progress(epoch + 1, settings.epochs)
    return _exported(
        model, names, scales, trained, features, settings.feature_weight, catalogue, examples
    )


def fit_by_customer(
    pairs: NDArray[np.int64],
    shape: tuple[int, int],
    settings: StageOneSettings,
    seed: int,
    progress: Progress = no_progress,
) -> tuple[Floats, Floats]:
    """Fit plain LightFM, one vector a customer and one an item, on pairs of both.

    Returns customers (n, D) ending in 1 and items (m, D) ending in the bias: the baseline.
    """
    ones = np.ones(len(pairs), np.float32)
    interactions = sparse.coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape)
    model = LightFM(
        no_components=settings.dimensions - 1,
        loss="warp",
        learning_rate=settings.learning_rate,
        max_sampled=settings.most_draws,
        item_alpha=settings.regularisation,
        user_alpha=settings.regularisation,
        random_state=seed,
    )
    for epoch in range(settings.epochs):
        model.fit_partial(interactions)
        progress(epoch + 1, settings.epochs)
    users = np.hstack([model.user_embeddings, np.ones((shape[0], 1), np.float32)])
    return users, np.hstack([model.item_embeddings, model.item_biases[:, None]])


def _user_matrix(examples: Examples, least: int) -> tuple[list[str], sparse.csr_matrix]:
    """Return the columns that occur often enough, by name, and the rows over them."""
    matrix = sparse.csr_matrix(
        (examples.weights, examples.indices, examples.starts),
        shape=(examples.rows, len(examples.names)),
    )
    matrix.sum_duplicates()
    counts = np.bincount(matrix.indices, minlength=len(examples.names))
    kept = sorted(
        (name, at)
        for at, name in enumerate(examples.names)
        if counts[at] >= least or name == CONSTANT
    )
    return [name for name, _ in kept], matrix[:, [at for _, at in kept]].tocsr()


def _feature_names(items: Sequence[Item], least: int) -> list[str]:
    counts: dict[str, int] = {}
    for item in items:
        for name in _described(item):
            counts[name] = counts.get(name, 0) + 1
    return sorted(name for name, count in counts.items() if count >= least)


def _described(item: Item) -> list[str]:
    return sorted({f"{name}={value}" for name, values in item.features.items() for value in values})


def _feature_matrix(items: Sequence[Item], rows_of: Mapping[str, int]) -> sparse.csr_matrix:
    indices: list[int] = []
    starts = [0]
    for item in items:
        indices.extend(rows_of[name] for name in _described(item) if name in rows_of)
        starts.append(len(indices))
    ones = np.ones(len(indices), np.float32)
    return sparse.csr_matrix((ones, indices, starts), shape=(len(items), len(rows_of)))


def _interactions(examples: Examples, trained: Sequence[str]) -> sparse.coo_matrix:
    """Return positives as ones and a customer's other targets as explicit zeros."""
    place = {item: at for at, item in enumerate(trained)}
    column = np.array([place.get(item, -1) for item in examples.items], np.int64)
    pairs = np.concatenate([examples.positives, examples.others])
    ones = np.zeros(len(pairs), np.float32)
    ones[: len(examples.positives)] = 1.0
    return sparse.coo_matrix(
        (ones, (pairs[:, 0], column[pairs[:, 1]])), (examples.rows, len(trained))
    )


def _exported(
    model: LightFM,
    names: list[str],
    scales: Floats,
    trained: list[str],
    features: list[str],
    feature_weight: float,
    catalogue: Mapping[str, Item],
    examples: Examples,
) -> FittedVectors:
    rows = np.hstack([model.item_embeddings, model.item_biases[:, None]]).astype(np.float32)
    own, shared = rows[: len(trained)], rows[len(trained) :] * np.float32(feature_weight)
    everything = sorted(catalogue)
    rows_of = {name: at for at, name in enumerate(features)}
    described = _feature_matrix([catalogue[item] for item in everything], rows_of)
    vectors = np.asarray(described @ shared, np.float32)
    # An item without an identity column must stand like the least known of those that have one, not
    # like the average: biases are moved by a constant, which the customers' constant takes back.
    counts = np.bincount(examples.positives[:, 1], minlength=len(examples.items))
    count_of = dict(zip(examples.items, counts.tolist(), strict=True))
    least = min(count_of.values())
    shift = float(
        np.mean([own[at, -1] for at, item in enumerate(trained) if count_of[item] == least])
    )
    own = own.copy()
    own[:, -1] -= shift
    place = {item: at for at, item in enumerate(everything)}
    vectors[[place[item] for item in trained]] += own
    users = np.hstack([model.user_embeddings, model.user_biases[:, None]]).astype(np.float32)
    users *= scales[:, None]
    users[names.index(CONSTANT), -1] += shift
    return FittedVectors(
        items=everything,
        item_features=features,
        user_features=names,
        item_vectors=vectors,
        item_feature_vectors=shared,
        user_feature_vectors=users,
    )
