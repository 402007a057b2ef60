"""Fit the second stage on a log: candidates, groups, trees, and figures on cases not fitted on.

Tables are counted on the part of the log that is before every case. Where there is no later window
to measure on, the same cases are fitted on and measured, by cross-fitting over customers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommender.feature_group import Feature
from models.recommender.ranker_features import ranker_features
from models.recommender.retrieval import RetrievalTables
from models.recommender.user_features import HistoryConfig
from training.counting.candidate_tables import count_retrieval
from training.counting.interactions import interactions_of
from training.counting.item_tables import behaviour_pairs
from training.counting.trend import Trend
from training.log.event_log import Log
from training.progress import Steps
from training.ranking.calibrate import calibration_error
from training.ranking.cross_fit import (
    FittedTrees,
    FoldData,
    NothingToLearn,
    cross_fit,
    fit_calibrated,
)
from training.ranking.discovery_pairs import DiscoveryPairSettings, synthetic_discovery_pairs
from training.ranking.fit_trees import RankerSettings
from training.ranking.groups import CandidateGroups, group_requests, make_groups
from training.ranking.leaks import check_features, check_window
from training.ranking.settings import SecondStageSettings
from training.splits.eval_cases import EvalCase, RankedLists, discovery_cases

DEFAULT, DISCOVERY = "default", "discovery"


@dataclass(frozen=True)
class TrainingWindow:
    """Cases that are held out of `log`, the part of a log to count tables on.

    `window` is when the cases happen (start and end in microseconds, end excluded), None where the
    data has no times.
    """

    log: Log
    eval_cases: Sequence[EvalCase]
    window: tuple[int, int] | None = None


class WindowGroups(NamedTuple):
    """The cases of one window under one intent, and their groups."""

    eval_cases: Sequence[EvalCase]
    part: FoldData


@dataclass(frozen=True)
class FittedIntent:
    """One intent: its trees, and the cases they were measured on.

    `lists` are the ranked items of each of `eval_cases`; `error` is the calibration error overall
    and in the top 1 %; `features` are the columns of the trees. With `measured_later` the cases
    come after all that `fitted` saw; else they are ranked by cross-fitting, and `fitted` saw them.
    `refitted` saw them where the settings ask for it, and is `fitted` where not.
    """

    eval_cases: Sequence[EvalCase]
    groups: CandidateGroups
    lists: RankedLists
    error: tuple[float, float]
    measured_later: bool
    features: Sequence[Feature]
    fitted: FittedTrees
    refitted: FittedTrees


@dataclass(frozen=True)
class FittedSecondStage:
    """What the second stage of a release consists of, and the figures of each intent.

    Rows of tables are `items`. `retrieval` was counted for the latest of all windows,
    `earlier_retrievals` for each of the others, the latest first.
    """

    items: Sequence[str]
    retrieval: RetrievalTables
    earlier_retrievals: Sequence[RetrievalTables]
    intents: Mapping[str, FittedIntent]

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """Return the pair of behaviours of each item table."""
        return [(a, b) for a, _, b in (n.partition(">") for n in self.retrieval.tables.names)]


def fit_second_stage(
    windows: Sequence[TrainingWindow],
    test_window: TrainingWindow | None,
    targets: Sequence[str],
    history: HistoryConfig,
    settings: SecondStageSettings,
    limit: int,
    steps: Steps,
    whole_log: Log | None = None,
) -> FittedSecondStage:
    """Fit on `windows`, the latest first, and measure on `test_window`, which is later than all.

    Without `test_window` the first of `windows` is measured by cross-fitting. Lists are `limit`
    long. A trend is counted on `whole_log`, at each moment on what came before it. Discovery is
    left out where too few targets are among its candidates; raises `NothingToLearn` where that is
    so of the default intent.
    """
    items = sorted(windows[0].log.items)
    row_of = {item: row for row, item in enumerate(items)}
    chosen = {DEFAULT: settings.default, DISCOVERY: settings.discovery}
    groups_of: dict[str, list[WindowGroups]] = {name: [] for name in chosen}
    extra: dict[str, list[FoldData]] = {name: [] for name in chosen}
    trend = None
    if whole_log is not None and settings.trend is not None:
        trend = Trend(whole_log, targets, items, settings.trend)
    retrievals: list[RetrievalTables] = []
    pairs: Sequence[tuple[str, str]] | None = None
    for window in (*([test_window] if test_window else []), *windows):
        steps("counting")(0, 1)
        check_window(window.log, window.eval_cases, targets)
        interactions = interactions_of(window.log, items, settings.remembered)
        pairs = pairs or behaviour_pairs(interactions)  # the same features in every window
        counted_on = (window.log, targets, items, interactions, settings.seed)
        count = partial(count_retrieval, *counted_on, pairs=pairs, trend=settings.trend)
        tables = count()
        retrievals.append(tables)
        for name, intent in chosen.items():
            eval_cases = (
                discovery_cases(window.eval_cases) if name == DISCOVERY else list(window.eval_cases)
            )
            if eval_cases:
                step = steps(f"{name}: candidates")
                requests = group_requests(eval_cases, row_of, history, trend)
                groups = make_groups(requests, tables, intent.quotas, step)
                groups_of[name].append(
                    WindowGroups(eval_cases, FoldData(groups, _customers(eval_cases)))
                )
            if intent.hidden and window is windows[0]:
                extra[name] = synthetic_discovery_pairs(
                    window.log,
                    targets,
                    items,
                    history,
                    count,
                    DiscoveryPairSettings(
                        per_customer=intent.hidden,
                        folds=intent.hidden_folds,
                        quotas=intent.quotas,
                        seed=settings.seed,
                    ),
                    steps(f"{name}: hidden pairs"),
                )
    retrieval, *earlier = retrievals
    intents = {}
    for name, parts in groups_of.items():
        try:
            intents[name] = _fit_intent(
                name,
                parts,
                extra[name],
                ranker_features(retrieval.tables.names),
                chosen[name].ranker,
                settings,
                limit,
                measured_later=test_window is not None,
                steps=steps,
            )
        except NothingToLearn:
            if name == DEFAULT:
                raise
    return FittedSecondStage(items, retrieval, earlier, intents)


def _customers(eval_cases: Sequence[EvalCase]) -> NDArray[np.int64]:
    return np.array(
        [-1 if c.case.customer is None else c.case.customer for c in eval_cases], np.int64
    )


def _fit_intent(
    name: str,
    windows: Sequence[WindowGroups],
    extra: Sequence[FoldData],
    features: Sequence[Feature],
    ranker: RankerSettings,
    settings: SecondStageSettings,
    limit: int,
    *,
    measured_later: bool,
    steps: Steps,
) -> FittedIntent:
    if not windows:
        raise NothingToLearn(f"events.parquet: {name}: no cases")
    tested, *earlier = windows
    for window in windows:
        check_features(window.part.groups, features)
    everything = [*(window.part for window in earlier), *extra]
    measured_later = measured_later and bool(earlier)
    if measured_later:
        main, rest = earlier[0].part, [*(window.part for window in earlier[1:]), *extra]
        steps(f"{name}: fitting")(0, 1)
        fitted = refitted = fit_calibrated(main, rest, features, ranker, settings.seed)
        if settings.refit:
            refitted = fit_calibrated(tested.part, everything, features, ranker, settings.seed)
        scores = fitted.trees.score(tested.part.groups.matrix)
        rates = fitted.calibration.rate(scores)
    else:
        step = steps(f"{name}: cross-fitting")
        scores, rates = cross_fit(
            tested.part, everything, features, ranker, settings.folds, settings.seed, step
        )
        steps(f"{name}: fitting")(0, 1)
        fitted = refitted = fit_calibrated(tested.part, everything, features, ranker, settings.seed)
    groups = tested.part.groups
    lists = lists_from_scores(groups, scores, len(tested.eval_cases), limit, settings.seed)
    error = calibration_error(rates, groups.hit)
    return FittedIntent(
        tested.eval_cases, groups, lists, error, measured_later, features, fitted, refitted
    )


def lists_from_scores(
    groups: CandidateGroups, scores: NDArray[np.float64], cases: int, limit: int, seed: int
) -> RankedLists:
    """Return lists (cases, limit) of the best rows of each group.

    `scores` are those of all candidates; equal ones are ordered at random under `seed`.
    """
    random = np.random.default_rng([seed, 11]).random(len(scores))
    order = np.lexsort((random, -scores, groups.group))
    place = np.arange(len(order)) - groups.starts[groups.group[order]]
    kept = place < limit
    lists = np.full((cases, limit), -1, np.int64)
    lists[groups.cases[groups.group[order[kept]]], place[kept]] = groups.rows[order[kept]]
    return lists


def recall_by_source(
    groups: CandidateGroups, names: Sequence[str]
) -> list[tuple[str, float, float, float]]:
    """Return (source, recall, recall lost without it, candidates per group) of each source.

    Bit b of a candidate's `sources` is source `names[b]`. All together come first, as "union".
    """
    total = groups.targets.sum()
    hit = groups.hit
    whole = float(hit.sum() / total)
    rows = [("union", whole, 0.0, len(groups.rows) / len(groups))]
    for bit, name in enumerate(names):
        here = (groups.sources >> bit & 1).astype(np.bool_)
        only = groups.sources == 1 << bit
        if here.any():
            recall = float(hit[here].sum() / total)
            lost = float(hit[only].sum() / total)
            rows.append((name, recall, lost, float(here.sum() / len(groups))))
    return rows
