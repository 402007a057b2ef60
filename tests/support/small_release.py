"""A small release and catalogue for tests: real files of random vectors with a seed."""

from pathlib import Path

import numpy as np

from models.domain.catalogue import Catalogue, Item, Money, Offer, Row
from models.numeric.array_types import Floats
from models.recommender.calibration import Calibration
from models.recommender.features_of_item import ITEM_FEATURES
from models.recommender.neighbours import NeighbourTables
from models.recommender.ranker import RANKED, Ensemble, SecondStage
from models.recommender.ranker_features import ranker_features
from models.recommender.retrieval import RetrievalTables
from models.recommender.segments import SegmentPopularity
from models.recommender.sources import Quotas
from models.recommender.trees import read_trees
from models.recommender.user_features import HistoryConfig
from models.release.loader import load_release
from models.release.manifest import Metric, Vocabulary
from models.release.release import Release, ReleaseContent
from models.release.writer import write_release

DIMENSIONS = 16
SEGMENTS = ("", "segment=young", "segment=old", "bought:item3", "bought:item7", "visit:")
TABLES = ("any>any", "purchase>browse")


def small_content(items: int = 40, seed: int = 1, *, ranked: bool = False) -> ReleaseContent:
    """Return random content over `item0`, `item1`, ... and the features and segments of them.

    With `ranked` there is a second stage.
    """
    generator = np.random.default_rng(seed)
    names = [f"item{number}" for number in range(items)]
    columns = ["constant", "segment=young", "segment=old", "call@call_center"]
    columns += [f"{kind}:{name}" for kind in ("view", "add_to_cart", "purchase") for name in names]
    features = ["category=a", "category=b"]

    def vectors(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return generator.normal(0, 0.4, (count, DIMENSIONS)).astype(np.float32)

    kinds = vectors(items), vectors(len(features)), vectors(len(columns))
    shares = generator.dirichlet(np.ones(items), len(SEGMENTS))
    popularity = np.log(shares).clip(-20).astype(np.float32)
    return ReleaseContent(
        vocabulary=Vocabulary(
            items=names,
            item_features=features,
            user_features=columns,
            segments=list(SEGMENTS),
        ),
        item_vectors=kinds[0],
        item_feature_vectors=kinds[1],
        user_feature_vectors=kinds[2],
        popularity=popularity,
        item_weights=generator.uniform(1, 5, items).astype(np.float32),
        second_stage=_second_stage(popularity, seed) if ranked else None,
    )


def _second_stage(popularity: Floats, seed: int) -> SecondStage:
    """Return random tables of five neighbours each, and random trees for each intent."""
    random = np.random.default_rng([seed, 2])
    items = popularity.shape[1]
    near = [random.permutation(items)[:5] for _ in range(len(TABLES) * items)]
    tables = NeighbourTables(
        TABLES,
        np.array([[1, 2, 4, 0], [0, 0, 1 + seed, 0]], np.float32),
        np.arange(len(near) + 1) * 5,
        np.concatenate(near).astype(np.int32),
        random.uniform(0.1, 1, 5 * len(near)).astype(np.float32),
    )
    facts = random.uniform(0, 3, (items, len(ITEM_FEATURES))).astype(np.float32)
    popular = np.argsort(-facts[:, 2], kind="stable")
    ensembles = {
        intent: Ensemble(
            read_trees(random_trees(random, 12, 7), f"{intent}.txt"),
            Calibration(np.array([-2.0, 0.0, 2.0]), np.array([0.01, 0.1, 0.4 + seed % 50 / 100])),
            Quotas(own=8, tables=dict.fromkeys(TABLES, 6), popular=3, new=2),
        )
        for intent in RANKED
    }
    shares = SegmentPopularity({name: row for row, name in enumerate(SEGMENTS)}, popularity)
    return SecondStage(RetrievalTables(tables, facts, popular, shares), ensembles)


def random_trees(random: np.random.Generator, trees: int, leaves: int) -> str:
    """Return an ensemble in LightGBM's text over the signals of `TABLES`, split at random."""
    names = [signal.column for signal in ranker_features(TABLES)]
    blocks = ["tree\nnum_tree_per_iteration=1\nfeature_names=" + " ".join(names)]
    for at in range(trees):
        splits = leaves - 1  # a chain: each split's left child is the next one
        children = {
            "left_child": [*range(1, splits), -1],
            "right_child": [-leaves + step for step in range(splits)],
        }
        said = {
            "num_leaves": [leaves],
            "split_feature": random.integers(0, len(names), splits).tolist(),
            "threshold": random.uniform(0, 1.5, splits).tolist(),
            "decision_type": [0] * splits,
            **children,
            "leaf_value": random.normal(0, 0.3, leaves).tolist(),
        }
        lines = (f"{key}={' '.join(map(str, values))}" for key, values in said.items())
        blocks.append("\n".join([f"Tree={at}", *lines]))
    return "\n\n".join([*blocks, "end of trees\n"])


def write_small_release(
    registry: Path,
    items: int = 40,
    seed: int = 1,
    metrics: tuple[Metric, ...] = (),
    *,
    ranked: bool = False,
) -> tuple[str, Path]:
    """Write a small valid release below `registry` and return (id, directory)."""
    return write_release(
        registry,
        small_content(items, seed, ranked=ranked),
        (),
        label="ORGANIC",
        simulated=True,
        data={"kind": "timed", "source": "tests"},
        history=HistoryConfig(responses=("click", "dismiss")),
        configuration={},
        versions={},
        metrics=metrics,
    )


def small_release(
    registry: Path, items: int = 40, seed: int = 1, *, ranked: bool = False
) -> Release:
    """Write and load a small release."""
    return load_release(write_small_release(registry, items, seed, ranked=ranked)[1])


def small_rows(items: int = 40) -> list[Row]:
    """Return an item for each of the release's, one new item, and three explicit offers."""
    rows: list[Row] = [
        Item(
            id=f"item{number}",
            title=f"Item {number}",
            features={"category": ["a" if number % 2 else "b"]},
            price=Money("EUR", 1 + number, 990_000_000),
        )
        for number in range(items)
    ]
    rows.append(Item(id="new", title="A new item", features={"category": ["a"]}))
    rows.append(Offer(id="coupon:one", title="Coupon on one", items=("item3",)))
    rows.append(
        Offer(
            id="coupon:many",
            title="Coupon on many",
            items=tuple(f"item{number}" for number in range(5, 15)),
            channels=("email", "app"),
        )
    )
    rows.append(Offer(id="coupon:odd", items=("item7", "not-in-the-catalogue")))
    return rows


def small_catalogue(items: int = 40) -> Catalogue:
    """Return the catalogue of `small_rows` at revision 1."""
    return Catalogue().apply(1, small_rows(items))
