"""The second stage of the simulated load: tables of 50 neighbours an item, and fitted trees.

Neighbours are drawn from an item's own category, so that what a customer did leads to few places,
as it does where people have tastes. The trees are fitted on candidates of customers of this load
and on answers drawn from some of their signals: what they learn is of no use, what they cost is
what such trees cost.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.domain.view import View
from models.recommender.calibration import Calibration
from models.recommender.features_of_item import ITEM_FEATURES
from models.recommender.item_history import ItemHistory, item_history_of
from models.recommender.neighbours import NeighbourTables
from models.recommender.ranker import RANKED, Ensemble, SecondStage
from models.recommender.ranker_features import ranker_features
from models.recommender.retrieval import RetrievalTables
from models.recommender.segments import SegmentPopularity
from models.recommender.sources import DEFAULT_QUOTAS, DISCOVERY_QUOTAS
from models.recommender.trees import read_trees
from models.recommender.user_features import HistoryConfig
from training.counting.item_tables import NEIGHBOURS, PAIRS, lane_weights
from training.ranking.fit_trees import RankerSettings, fit_trees
from training.ranking.groups import CandidateGroups, GroupRequest, make_groups

Floats = NDArray[np.float32]


def second_stage(
    categories: NDArray[np.int64],
    popularity: Floats,
    views: Iterable[View],
    row_of: dict[str, int],
    minute: int,
    settings: RankerSettings,
    random: np.random.Generator,
) -> SecondStage:
    """Return tables over items of `categories` (items,), and trees fitted on customers' `views`.

    `popularity` (1, items) are log shares.
    """
    shares = SegmentPopularity({"": 0}, popularity)
    facts = random.uniform(0, 4, (len(categories), len(ITEM_FEATURES))).astype(np.float32)
    popular = np.argsort(-popularity[0], kind="stable")
    retrieval = RetrievalTables(_tables(categories, random), facts, popular, shares)
    pasts = [item_history_of(view, row_of, HistoryConfig(), minute) for view in views]
    groups = _groups(pasts, retrieval, random)
    declared = ranker_features(retrieval.tables.names)
    text = fit_trees([(groups, np.arange(len(groups)))], declared, settings, seed=1)
    calibration = Calibration(np.array([-4.0, 0.0]), np.array([0.01, 0.5]))
    quotas = (DEFAULT_QUOTAS, DISCOVERY_QUOTAS)
    return SecondStage(
        retrieval,
        {
            intent: Ensemble(read_trees(text, f"{intent}.txt"), calibration, one)
            for intent, one in zip(RANKED, quotas, strict=True)
        },
    )


def _tables(categories: NDArray[np.int64], random: np.random.Generator) -> NeighbourTables:
    items, tables = len(categories), len(PAIRS)
    by_category = np.argsort(categories, kind="stable")
    first = np.searchsorted(categories[by_category], categories)
    size = np.bincount(categories)[categories]
    rows = np.empty((items, tables, NEIGHBOURS), np.int32)
    for table in range(tables):
        drawn = first[:, None] + random.integers(0, size[:, None], (items, NEIGHBOURS))
        rows[:, table] = by_category[drawn]
    weights = np.sort(random.exponential(0.05, (items, tables, NEIGHBOURS)), axis=2)[:, :, ::-1]
    starts = np.arange(items * tables + 1) * NEIGHBOURS
    return NeighbourTables(
        tuple(f"{source}>{target}" for source, target in PAIRS),
        np.array([lane_weights(source) for source, _ in PAIRS], np.float32),
        starts.astype(np.int64),
        rows.reshape(-1),
        (weights.reshape(-1) + 1e-6).astype(np.float32),
    )


def _groups(
    pasts: list[ItemHistory], retrieval: RetrievalTables, random: np.random.Generator
) -> CandidateGroups:
    nothing = np.empty(0, np.int64)
    asked = [GroupRequest(at, past, [], nothing, nothing, 0) for at, past in enumerate(pasts)]
    groups = make_groups(asked, retrieval, DEFAULT_QUOTAS)
    matrix = groups.matrix.astype(np.float64)
    spread = matrix.std(axis=0)
    taste = random.normal(0, 1, matrix.shape[1]) * (random.random(matrix.shape[1]) < 0.5)
    say = ((matrix - matrix.mean(axis=0)) / np.where(spread > 0, spread, 1)) @ taste
    hit = random.random(len(say)) < 0.05 / (1 + np.exp(-say))
    return replace(groups, hit=hit)
