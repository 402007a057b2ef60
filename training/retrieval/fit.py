"""Fit LightFM on examples and return its arrays; the only file that imports lightfm.

The WARP loss draws negatives among the items that are targets of some row. A customer's other
targets are stored as explicit zeros: training skips them, and the look-up that guards against false
negatives finds them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from lightfm import LightFM
from numpy.typing import NDArray
from scipy import sparse

from models.domain.catalogue import Item
from models.recommender.user_features import CONSTANT
from training.progress import Progress, no_progress
from training.retrieval.examples import Examples

Floats = NDArray[np.float32]

_Many = Annotated[int, msgspec.Meta(ge=1)]
_Weight = Annotated[float, msgspec.Meta(ge=0)]


@dataclass(frozen=True, kw_only=True)
class StageOneSettings:
    """How a model is fitted.

    `dimensions` is the length of a vector with its bias, a multiple of 8. A history column must
    occur in `least_rows` rows, a feature column of items in `least_items` items. `most_draws` is
    how many negatives WARP draws for one positive at most; `regularisation` is that of both sides.
    `feature_weight` multiplies the features of items, `attribute_weight` those of customers.
    """

    dimensions: int = 64
    epochs: _Many = 30
    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.05
    most_draws: _Many = 20
    least_rows: _Many = 3
    least_items: _Many = 3
    feature_weight: _Weight = 1.0
    attribute_weight: _Weight = 1.0
    regularisation: _Weight = 0.0


@dataclass(frozen=True, kw_only=True)
class FittedVectors:
    """A fitted model as a release holds it: float32 arrays with the bias in the last dimension.

    Rows of `item_vectors` are `items`, which already include the vectors of their features.
    """

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
    """Fit on `examples` and return a vector for every item of `catalogue`, sorted by id.

    An item that is no target of any row has no identity column: its vector is the sum of those of
    its features. The same input and seed give the same arrays. Reports each epoch to `progress`.
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
    return _fitted_vectors(
        model, names, scales, trained, features, settings.feature_weight, catalogue, examples
    )


def fit_by_customer(
    pairs: NDArray[np.int64],
    shape: tuple[int, int],
    settings: StageOneSettings,
    seed: int,
    features: sparse.csr_matrix | None = None,
) -> tuple[Floats, Floats]:
    """Fit LightFM on (customer, item) `pairs`: one vector for each of both.

    Returns vectors of customers (n, D) ending in 1 and of items (m, D) ending in the bias, where
    `shape` is (n, m) and D is `dimensions`. With `features` (m, f) an item is the sum of the
    vectors of its features, else it has one of its own.
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
    model.fit(interactions, item_features=features, epochs=settings.epochs)
    users = np.hstack([model.user_embeddings, np.ones((shape[0], 1), np.float32)])
    vectors = np.hstack([model.item_embeddings, model.item_biases[:, None]])
    return users, vectors if features is None else features @ vectors


def _user_matrix(examples: Examples, minimum: int) -> tuple[list[str], sparse.csr_matrix]:
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
        if counts[at] >= minimum or name == CONSTANT
    )
    return [name for name, _ in kept], matrix[:, [at for _, at in kept]].tocsr()


def _feature_names(items: Sequence[Item], minimum: int) -> list[str]:
    counts: dict[str, int] = {}
    for item in items:
        for name in _item_features(item):
            counts[name] = counts.get(name, 0) + 1
    return sorted(name for name, count in counts.items() if count >= minimum)


def _item_features(item: Item) -> list[str]:
    return sorted({f"{name}={value}" for name, values in item.features.items() for value in values})


def _feature_matrix(items: Sequence[Item], rows_of: Mapping[str, int]) -> sparse.csr_matrix:
    indices: list[int] = []
    starts = [0]
    for item in items:
        indices.extend(rows_of[name] for name in _item_features(item) if name in rows_of)
        starts.append(len(indices))
    ones = np.ones(len(indices), np.float32)
    return sparse.csr_matrix((ones, indices, starts), shape=(len(items), len(rows_of)))


def _interactions(examples: Examples, trained: Sequence[str]) -> sparse.coo_matrix:
    """Return positives as ones and a customer's other targets as explicit zeros."""
    row_of_item = {item: at for at, item in enumerate(trained)}
    column = np.array([row_of_item.get(item, -1) for item in examples.items], np.int64)
    pairs = np.concatenate([examples.positives, examples.others])
    ones = np.zeros(len(pairs), np.float32)
    ones[: len(examples.positives)] = 1.0
    return sparse.coo_matrix(
        (ones, (pairs[:, 0], column[pairs[:, 1]])), (examples.rows, len(trained))
    )


def _fitted_vectors(
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
    all_items = sorted(catalogue)
    rows_of = {name: at for at, name in enumerate(features)}
    described = _feature_matrix([catalogue[item] for item in all_items], rows_of)
    vectors = np.asarray(described @ shared, np.float32)
    # An item without an identity column has no bias of its own and would rank like an average item.
    # It must rank like the least known of the others: their biases are moved by a constant, which
    # the constant of the customers gives back.
    counts = np.bincount(examples.positives[:, 1], minlength=len(examples.items))
    count_of = dict(zip(examples.items, counts.tolist(), strict=True))
    minimum = min(count_of.values())
    shift = float(
        np.mean([own[at, -1] for at, item in enumerate(trained) if count_of[item] == minimum])
    )
    own = own.copy()
    own[:, -1] -= shift
    row_of_item = {item: at for at, item in enumerate(all_items)}
    vectors[[row_of_item[item] for item in trained]] += own
    users = np.hstack([model.user_embeddings, model.user_biases[:, None]]).astype(np.float32)
    users *= scales[:, None]
    users[names.index(CONSTANT), -1] += shift
    return FittedVectors(
        items=all_items,
        item_features=features,
        user_features=names,
        item_vectors=vectors,
        item_feature_vectors=shared,
        user_feature_vectors=users,
    )
