"""A second stage for the load: tables within categories, and trees of the usual size.

What it recommends means nothing; what it costs is what a fitted one of that size costs.
"""

import lightgbm
import numpy as np
from numpy.typing import NDArray

from bench.world import World
from models.calibration import Calibration
from models.neighbours import Neighbours
from models.past import LANES
from models.retrieval import DEFAULT_QUOTAS, DISCOVERY_QUOTAS, Retrieval
from models.second_stage import RANKED, Ensemble, SecondStage
from models.segments import Shares
from models.signals import FACTS, signals
from models.trees import Trees, read_trees

NEIGHBOURS = 50
TREES, LEAVES = 100, 31
# As training counts them where there are views, carts and purchases: what a touch weighs, by lane.
TABLES = {
    "any>any": (1, 2, 4, 0),
    "purchase>browse": (0, 0, 1, 0),
    "browse>purchase": (1, 0, 0, 0),
    "purchase>purchase": (0, 0, 1, 0),
    "browse>browse": (1, 0, 0, 0),
    "cart>purchase": (0, 1, 0, 0),
}


def second_stage(world: World, seed: int = 8) -> SecondStage:
    """Return a second stage over the items of `world`."""
    random = np.random.default_rng(seed)
    items = len(world.categories)
    facts = random.uniform(0, 5, (items, len(FACTS))).astype(np.float32)
    names = world.content.vocabulary.segments
    shares = Shares({name: row for row, name in enumerate(names)}, world.content.popularity)
    popular = np.argsort(-facts[:, 2], kind="stable")
    retrieval = Retrieval(_tables(world.categories, random), facts, popular, shares)
    calibration = Calibration(np.array([-5.0, 5.0]), np.array([0.0, 1.0]))
    quotas = dict(zip(RANKED, (DEFAULT_QUOTAS, DISCOVERY_QUOTAS), strict=True))
    return SecondStage(
        retrieval,
        {name: Ensemble(_trees(random), calibration, quotas[name]) for name in RANKED},
    )


def _tables(categories: NDArray[np.int64], random: np.random.Generator) -> Neighbours:
    """Return tables whose neighbours are of the item's own category."""
    items, count = len(categories), len(TABLES)
    sorted_ = np.argsort(categories, kind="stable")
    begins = np.searchsorted(categories[sorted_], np.arange(categories.max() + 2))
    first, size = begins[categories], np.diff(begins)[categories]
    near = [
        sorted_[first[:, None] + (random.random((items, NEIGHBOURS)) * size[:, None]).astype(int)]
        for _ in TABLES
    ]
    weights = np.tile(np.linspace(1, 0.02, NEIGHBOURS, dtype=np.float32), items * count)
    starts = np.arange(items + 1) + items * np.arange(count)[:, None]
    lanes = np.array(list(TABLES.values()), np.float32)
    assert lanes.shape == (count, len(LANES))
    rows = np.concatenate([part.ravel() for part in near]).astype(np.int32)
    return Neighbours(tuple(TABLES), lanes, starts * NEIGHBOURS, rows, weights)


def _trees(random: np.random.Generator) -> Trees:
    names = [signal.column for signal in signals(tuple(TABLES))]
    x = random.random((5_000, len(names)), np.float32)
    hits = (x[:, :6].sum(axis=1) + random.random(5_000) > 3.5).astype(np.float32)
    data = lightgbm.Dataset(x, hits, feature_name=names)
    chosen = {"objective": "binary", "num_leaves": LEAVES, "num_threads": 1, "verbose": -1}
    chosen |= {"use_missing": False, "feature_fraction": 0.7, "seed": 1}
    return read_trees(lightgbm.train(chosen, data, TREES).model_to_string())
