"""Count what candidates are retrieved and described by, from one part of a log."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.recommender.features_of_item import BOUGHT_FEATURE
from models.recommender.retrieval import RetrievalTables
from training.counting.interactions import Interactions
from training.counting.item_tables import behaviour_pairs, count_item_tables, item_features
from training.counting.segment_popularity import count_popularity
from training.counting.trend import Trend, TrendConfig, with_trend
from training.log.event_log import Log


def count_retrieval(
    log: Log,
    targets: Iterable[str],
    items: Sequence[str],
    interactions: Interactions,
    seed: int,
    left_out: NDArray[np.bool_] | None = None,
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    trend: TrendConfig | None = None,
) -> RetrievalTables:
    """Count item tables, item features, popularity, and shares by segment, over `items`.

    `targets` are the event types to predict, `interactions` those of `log`; `left_out` (customers,)
    marks customers who do not count. Without `pairs`, tables are counted for `behaviour_pairs`.
    Equally popular items are ordered at random under `seed`.
    """
    if left_out is not None:
        interactions = interactions.without(left_out)
    features = item_features(interactions)
    shuffled = np.random.default_rng([seed, 10]).permutation(interactions.items)
    popular = shuffled[np.argsort(-features[shuffled, BOUGHT_FEATURE], kind="stable")]
    if trend is not None and left_out is None:  # it counts those left out, too
        features = with_trend(features, Trend(log, targets, items, trend).at(None))
    shares = count_popularity(log, targets, items, left_out).shares
    tables = count_item_tables(
        interactions, behaviour_pairs(interactions) if pairs is None else pairs
    )
    return RetrievalTables(tables, features, popular.astype(np.int64), shares)
