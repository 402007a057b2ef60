"""The second stage: a customer's candidates in order, by an ensemble of trees for each intent.

Raw scores are rounded to 2^-20 before anything is compared; the rate is what a score is worth by
the calibration, and never decides the order.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.candidates import Mask
from models.errors import BadRelease
from models.fixed import ONE, Fixed, Rows, best
from models.past import LANES, Past
from models.retrieval import Quotas, Retrieval, propose
from models.segments import EVERYBODY, segment_popularity
from models.signals import FACTS, Matches, signal_matrix, signals
from models.trees import Trees


class Ensemble(NamedTuple):
    """How one intent ranks: trees over the declared signals, calibration, and quotas of sources."""

    trees: Trees
    calibration: Calibration
    quotas: Quotas


class SecondStage(NamedTuple):
    """What a release holds of the second stage: retrieval, and an ensemble by intent."""

    retrieval: Retrieval
    ensembles: Mapping[str, Ensemble]


class Ordered(NamedTuple):
    """Candidates, best first: item rows, scores in units of 2^-20, rates, and bits of sources."""

    rows: Rows
    scores: Fixed
    rates: NDArray[np.float64]
    sources: NDArray[np.int64]


def order(
    stage: SecondStage,
    intent: str,
    past: Past,
    segments: Sequence[str],
    allowed: Mask,
    ranks: Rows,
) -> Ordered:
    """Return the candidates of `past` among `allowed` item rows in descending score.

    `segments` are those of the moment. Equal scores stand in the order of `ranks` (items,), which
    are distinct.
    """
    ensemble = stage.ensembles[intent]
    proposed = propose(stage.retrieval, past, ensemble.quotas, allowed)
    rows, sources = proposed.candidates
    matches = Matches(
        embedding=np.zeros(len(rows), np.float32),
        popularity=segment_popularity(stage.retrieval.shares, segments, rows),
    )
    matrix = signal_matrix(rows, past, proposed.reached, matches, stage.retrieval.facts)
    raw = ensemble.trees.score(matrix)
    scores = np.rint(raw * ONE).astype(np.int64)
    order_ = best(scores, ranks[rows], len(rows))
    rates = ensemble.calibration.rate(scores[order_] / ONE)
    return Ordered(rows[order_], scores[order_], rates, sources[order_])


def check_second_stage(stage: SecondStage, items: int) -> None:
    """Raise `BadRelease` where parts do not fit each other or a catalogue of `items` items.

    The compiled loops read without looking at bounds: nothing unchecked may reach them.
    """
    tables = stage.retrieval.tables
    count = len(tables.names)
    if tables.lanes.shape != (count, len(LANES)) or not (tables.lanes >= 0).all():
        raise BadRelease("table_lanes.npy: want a weight of each table and lane")
    starts = tables.starts
    if starts.shape != (count, items + 1) or not count:
        raise BadRelease(f"table_starts.npy: shape {starts.shape}; want ({count}, {items + 1})")
    total = len(tables.rows)
    if (np.diff(starts, axis=1) < 0).any() or starts.min() < 0 or starts.max() > total:
        raise BadRelease("table_starts.npy: not ascending within the table")
    if len(tables.weights) != total:
        raise BadRelease("table_weights.npy: want a weight of each neighbour")
    if total and (tables.rows.min() < 0 or tables.rows.max() >= items):
        raise BadRelease("table_rows.npy: no such item")
    if not (np.isfinite(tables.weights).all() and (tables.weights > 0).all()):
        raise BadRelease("table_weights.npy: not positive")
    facts = stage.retrieval.facts
    if facts.shape != (items, len(FACTS)) or not np.isfinite(facts).all():
        raise BadRelease("item_facts.npy: want finite facts of each item")
    if not np.array_equal(np.sort(stage.retrieval.popular), np.arange(items)):
        raise BadRelease("popular.npy: want each item once")
    shares = stage.retrieval.shares
    if shares.logs.shape[1:] != (items,) or not np.isfinite(shares.logs).all():
        raise BadRelease("popularity.npy: want finite shares of each item")
    if shares.row_of.get(EVERYBODY) != 0 or sorted(shares.row_of.values()) != list(
        range(len(shares.logs))
    ):
        raise BadRelease("popularity.npy: want a row of each segment, everybody first")
    declared = len(signals(tables.names))
    for intent, ensemble in stage.ensembles.items():
        if len(ensemble.trees.features) != declared:
            raise BadRelease(
                f"{intent}.txt: {len(ensemble.trees.features)} features; want {declared}"
            )
        scores, rates = ensemble.calibration
        if len(scores) != len(rates) or not len(scores) or not np.isfinite(scores).all():
            raise BadRelease(f"{intent}: calibration: want a rate of each score")
        if (np.diff(scores) <= 0).any() or (np.diff(rates) < 0).any():
            raise BadRelease(f"{intent}: calibration: not ascending")
        if not (rates[0] >= 0 and rates[-1] <= 1):
            raise BadRelease(f"{intent}: calibration: not a rate")
