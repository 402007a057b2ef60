"""The second stage: a customer's candidates in order, by an ensemble of trees for each intent.

Raw scores are rounded to 2^-20 before anything is compared; the calibration says which rate a score
is worth, and never decides the order.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.domain.decisions import Intent
from models.domain.event_types import INTERACTION_LANES
from models.errors import BadRelease
from models.numeric.array_types import Fixed, Mask, Rows
from models.numeric.fixed import ONE, top_by_score
from models.recommender.calibration import Calibration
from models.recommender.feature_group import FeatureInputs, MatchFeatures
from models.recommender.features_by_table import greatest_sums
from models.recommender.features_of_item import ITEM_FEATURES
from models.recommender.item_history import ItemHistory
from models.recommender.neighbours import NeighbourSums, NeighbourTables
from models.recommender.ranker_features import feature_columns, ranker_features
from models.recommender.retrieval import RetrievalTables
from models.recommender.segments import EVERYBODY, SegmentPopularity, segment_popularity
from models.recommender.sources import (
    QUOTA_LIMIT,
    SOURCES_LIMIT,
    Quotas,
    propose_candidates,
    source_names,
)
from models.recommender.trees import Trees

RANKED = (Intent.DEFAULT, Intent.DISCOVERY)  # the intents with an ensemble of their own
TABLES_LIMIT = SOURCES_LIMIT - len(source_names(()))


class Ensemble(NamedTuple):
    """How one intent ranks: trees over the declared features, calibration, quotas of sources."""

    trees: Trees
    calibration: Calibration
    quotas: Quotas


class SecondStage(NamedTuple):
    """What a release holds of the second stage: retrieval, and an ensemble by intent."""

    retrieval: RetrievalTables
    ensembles: Mapping[str, Ensemble]


class CandidateScorer:
    """Scores items for one customer under one intent, each against the same candidates.

    What an item scores depends on the customer, the `segments` of the moment, the ensemble and
    `candidates` (item rows), and not on which other items are scored with it.
    """

    def __init__(
        self,
        stage: SecondStage,
        ensemble: Ensemble,
        history: ItemHistory,
        segments: Sequence[str],
        neighbours: NeighbourSums,
        candidates: Rows,
    ) -> None:
        self._item_features = stage.retrieval.item_features
        self._shares = stage.retrieval.shares
        self._segments = segments
        self._trees = ensemble.trees
        self._history = history
        self._neighbours = neighbours
        self._greatest = greatest_sums(candidates, neighbours)

    def scores(self, rows: Rows) -> Fixed:
        """Return the score of each item row, in units of 2^-20."""
        matches = MatchFeatures(
            embedding=np.zeros(len(rows), np.float32),
            popularity=segment_popularity(self._shares, self._segments, rows),
        )
        columns = feature_columns(
            FeatureInputs(
                rows, self._history, self._neighbours, self._greatest, matches, self._item_features
            )
        )
        return np.rint(self._trees.score(columns.T) * ONE).astype(np.int64)


class RankedCandidates(NamedTuple):
    """Candidates, best first: item rows, scores in units of 2^-20, and bits of sources."""

    rows: Rows
    scores: Fixed
    sources: NDArray[np.int64]


def rank_candidates(
    stage: SecondStage,
    intent: str,
    history: ItemHistory,
    segments: Sequence[str],
    allowed: Mask,
    tie_ranks: Rows,
) -> RankedCandidates:
    """Return the candidates of `history` among `allowed` item rows in descending score.

    `segments` are those of the moment. Equal scores stand in the order of `tie_ranks` (items,),
    which are distinct.
    """
    ensemble = stage.ensembles[intent]
    proposed = propose_candidates(stage.retrieval, history, ensemble.quotas, allowed)
    rows, sources = proposed.candidates
    scorer = CandidateScorer(stage, ensemble, history, segments, proposed.neighbours, rows)
    scores = scorer.scores(rows)
    order = top_by_score(scores, tie_ranks[rows], len(rows))
    return RankedCandidates(rows[order], scores[order], sources[order])


def check_second_stage(stage: SecondStage, items: int) -> None:
    """Raise `BadRelease` where parts do not fit each other or a catalogue of `items` items.

    The compiled loops read without looking at bounds: nothing unchecked may reach them.
    """
    tables = stage.retrieval.tables
    _check_tables(tables, items)
    item_features = stage.retrieval.item_features
    wanted = (items, len(ITEM_FEATURES))
    if item_features.shape != wanted or not np.isfinite(item_features).all():
        raise BadRelease("item_facts.npy: want finite features of each item")
    if not np.array_equal(np.sort(stage.retrieval.popular), np.arange(items)):
        raise BadRelease("popular.npy: want each item once")
    _check_shares(stage.retrieval.shares, items)
    declared = tuple(feature.column for feature in ranker_features(tables.names))
    for intent, ensemble in stage.ensembles.items():
        if ensemble.trees.features != declared:
            raise BadRelease(f"{intent}.txt: features are not those of this version and tables")
        where = f"second_stage.json: {intent}"
        _check_calibration(where, ensemble.calibration)
        if not ensemble.quotas.within_limits:
            raise BadRelease(f"{where}: quotas: want 0 to {QUOTA_LIMIT:,}")


def _check_tables(tables: NeighbourTables, items: int) -> None:
    count, total = len(tables.names), len(tables.rows)
    if not 1 <= count <= TABLES_LIMIT or len(set(tables.names)) != count:
        raise BadRelease(f"second_stage.json: tables: want 1 to {TABLES_LIMIT}, each once")
    if tables.lanes.shape != (count, len(INTERACTION_LANES)) or not (tables.lanes >= 0).all():
        raise BadRelease("table_lanes.npy: want a weight of each table and lane")
    starts = tables.starts
    if starts.shape != (items * count + 1,):
        raise BadRelease("table_starts.npy: want a start of each item and table, and an end")
    if starts[0] != 0 or starts[-1] != total or (starts[1:] < starts[:-1]).any():
        raise BadRelease("table_starts.npy: not ascending from 0 to the end")
    if len(tables.weights) != total:
        raise BadRelease("table_weights.npy: want a weight of each neighbour")
    if total and (tables.rows.min() < 0 or tables.rows.max() >= items):
        raise BadRelease("table_rows.npy: no such item")
    if not (np.isfinite(tables.weights).all() and (tables.weights > 0).all()):
        raise BadRelease("table_weights.npy: not positive")


def _check_calibration(where: str, calibration: Calibration) -> None:
    scores, rates = calibration
    if len(scores) != len(rates) or not len(scores) or not np.isfinite(scores).all():
        raise BadRelease(f"{where}: calibration: want a rate of each score")
    if (scores[1:] <= scores[:-1]).any() or (rates[1:] < rates[:-1]).any():
        raise BadRelease(f"{where}: calibration: not ascending")
    if not (rates[0] >= 0 and rates[-1] <= 1):
        raise BadRelease(f"{where}: calibration: not a rate")


def _check_shares(shares: SegmentPopularity, items: int) -> None:
    if shares.logs.shape[1:] != (items,) or not np.isfinite(shares.logs).all():
        raise BadRelease("popularity.npy: want finite shares of each item")
    rows = sorted(shares.row_of.values())
    if shares.row_of.get(EVERYBODY) != 0 or rows != list(range(len(shares.logs))):
        raise BadRelease("popularity.npy: want a row of each segment, everybody first")
