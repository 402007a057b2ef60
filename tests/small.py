"""A small release and catalogue for tests: real files of random vectors with a seed."""

from pathlib import Path

import numpy as np

from models.catalogue import Catalogue, Item, Money, Offer, Row
from models.features import HistoryConfig
from models.release import Content, Metric, Release, Vocabulary, load_release, write_release

DIMENSIONS = 16


def small_content(items: int = 40, seed: int = 1) -> Content:
    """Return random content over `item0`, `item1`, ... and the features and segments of them."""
    generator = np.random.default_rng(seed)
    names = [f"item{number}" for number in range(items)]
    columns = ["constant", "segment=young", "segment=old", "call@call_center"]
    columns += [f"{kind}:{name}" for kind in ("view", "add_to_cart", "purchase") for name in names]
    features = ["category=a", "category=b"]

    def vectors(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return generator.normal(0, 0.4, (count, DIMENSIONS)).astype(np.float32)

    return Content(
        vocabulary=Vocabulary(
            items=names,
            item_features=features,
            user_features=columns,
            segments=["", "segment=young", "segment=old"],
        ),
        item_vectors=vectors(items),
        item_feature_vectors=vectors(len(features)),
        user_feature_vectors=vectors(len(columns)),
        popularity=np.log(generator.dirichlet(np.ones(items), 3)).clip(-20).astype(np.float32),
        item_weights=generator.uniform(1, 5, items).astype(np.float32),
    )


def write_small_release(
    registry: Path, items: int = 40, seed: int = 1, metrics: tuple[Metric, ...] = ()
) -> tuple[str, Path]:
    """Write a small valid release below `registry` and return (id, directory)."""
    return write_release(
        registry,
        small_content(items, seed),
        (),
        label="ORGANIC",
        simulated=True,
        data={"kind": "timed", "source": "tests"},
        history=HistoryConfig(),
        configuration={},
        versions={},
        metrics=metrics,
    )


def small_release(registry: Path, items: int = 40, seed: int = 1) -> Release:
    """Write and load a small release."""
    return load_release(write_small_release(registry, items, seed)[1])


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
