"""The second stage from a log: candidates, groups, trees, and every figure out of fold.

Tables are counted on the part of the log that is before every case. Where the cases are one moment
of each customer, they teach and measure both, by cross-fitting over customers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommender.ranker_features import Feature, ranker_features
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
    """Questions whose targets are in no event of `log`, the part to count tables on.

    They are asked in `window` (microseconds), where the data has times.
    """

    log: Log
    eval_cases: Sequence[EvalCase]
    window: tuple[int, int] | None = None


class WindowGroups(NamedTuple):
    """The questions of one lesson under one intent, and their groups."""

    asked: Sequence[EvalCase]
    part: FoldData


@dataclass(frozen=True)
class FittedIntent:
    """One intent, fitted and measured out of fold.

    `lists` are rows of the sorted items for `asked`; `error` is the calibration error overall and
    in the top 1 %; `signals` are what the trees look at. `fitted` saw nothing that was measured
    `apart`, in time; `refitted` saw all.
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
    """What the second stage of a release consists of, and how each intent fared.

    `retrieval` was counted for the latest of all lessons, `before` for each of the others.
    """

    items: Sequence[str]
    retrieval: RetrievalTables
    earlier_retrievals: Sequence[RetrievalTables]
    intents: Mapping[str, FittedIntent]

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """Return the pairs of behaviours that there is a table of."""
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
    """Fit on `lessons`, the latest first, and measure on `tested`, which is later than all.

    Without `tested` the first lesson is measured out of fold. `whole` is the log that a trend is
    counted from, at each moment up to it. Discovery is left out where hardly a target is found;
    raises `NothingToLearn` where the default intent has none.
    """
    items = sorted(windows[0].log.items)
    row_of = {item: row for row, item in enumerate(items)}
    chosen = {DEFAULT: settings.default, DISCOVERY: settings.discovery}
    made: dict[str, list[WindowGroups]] = {name: [] for name in chosen}
    extra: dict[str, list[FoldData]] = {name: [] for name in chosen}
    trend = None
    if whole_log is not None and settings.trend is not None:
        trend = Trend(whole_log, targets, items, settings.trend)
    counted: list[RetrievalTables] = []
    pairs: Sequence[tuple[str, str]] | None = None
    for lesson in (*([test_window] if test_window else []), *windows):
        steps("counting")(0, 1)
        check_window(lesson.log, lesson.eval_cases, targets)
        touches = interactions_of(lesson.log, items, settings.remembered)
        pairs = pairs or behaviour_pairs(touches)  # the same features of every lesson
        of = (lesson.log, targets, items, touches, settings.seed)
        build = partial(count_retrieval, *of, pairs=pairs, trend=settings.trend)
        found = build()
        counted.append(found)
        for name, intent in chosen.items():
            asked = (
                discovery_cases(lesson.eval_cases) if name == DISCOVERY else list(lesson.eval_cases)
            )
            if asked:
                step = steps(f"{name}: candidates")
                wanted = group_requests(asked, row_of, history, trend)
                groups = make_groups(wanted, found, intent.quotas, step)
                made[name].append(WindowGroups(asked, FoldData(groups, _customers(asked))))
            if intent.hidden and lesson is windows[0]:
                extra[name] = synthetic_discovery_pairs(
                    lesson.log,
                    targets,
                    items,
                    history,
                    build,
                    DiscoveryPairSettings(
                        per_customer=intent.hidden,
                        folds=intent.hidden_folds,
                        quotas=intent.quotas,
                        seed=settings.seed,
                    ),
                    steps(f"{name}: hidden pairs"),
                )
    retrieval, *before = counted
    intents = {}
    for name, parts in made.items():
        try:
            intents[name] = _ranked(
                name,
                parts,
                extra[name],
                ranker_features(retrieval.tables.names),
                chosen[name].ranker,
                settings,
                limit,
                apart=test_window is not None,
                steps=steps,
            )
        except NothingToLearn:
            if name == DEFAULT:
                raise
    return FittedSecondStage(items, retrieval, before, intents)


def _customers(asked: Sequence[EvalCase]) -> NDArray[np.int64]:
    return np.array([-1 if q.case.customer is None else q.case.customer for q in asked], np.int64)


def _ranked(
    name: str,
    made: Sequence[WindowGroups],
    extra: Sequence[FoldData],
    declared: Sequence[Feature],
    ranker: RankerSettings,
    settings: SecondStageSettings,
    most: int,
    *,
    apart: bool,
    steps: Steps,
) -> FittedIntent:
    if not made:
        raise NothingToLearn(f"events.parquet: {name}: no cases")
    tested, *earlier = made
    for one in made:
        check_features(one.part.groups, declared)
    everything = [*(one.part for one in earlier), *extra]
    apart = apart and bool(earlier)
    if apart:
        main, rest = earlier[0].part, [*(one.part for one in earlier[1:]), *extra]
        steps(f"{name}: fitting")(0, 1)
        fitted = refitted = fit_calibrated(main, rest, declared, ranker, settings.seed)
        if settings.refit:
            refitted = fit_calibrated(tested.part, everything, declared, ranker, settings.seed)
        scores = fitted.trees.score(tested.part.groups.matrix)
        rates = fitted.calibration.rate(scores)
    else:
        step = steps(f"{name}: cross-fitting")
        scores, rates = cross_fit(
            tested.part, everything, declared, ranker, settings.folds, settings.seed, step
        )
        steps(f"{name}: fitting")(0, 1)
        fitted = refitted = fit_calibrated(tested.part, everything, declared, ranker, settings.seed)
    groups = tested.part.groups
    lists = lists_from_scores(groups, scores, len(tested.asked), most, settings.seed)
    error = calibration_error(rates, groups.hit)
    return FittedIntent(tested.asked, groups, lists, error, apart, declared, fitted, refitted)


def lists_from_scores(
    groups: CandidateGroups, scores: NDArray[np.float64], questions: int, limit: int, seed: int
) -> RankedLists:
    """Return the `most` best rows of each group; equal scores are ordered at random."""
    random = np.random.default_rng([seed, 11]).random(len(scores))
    order = np.lexsort((random, -scores, groups.group))
    place = np.arange(len(order)) - groups.starts[groups.group[order]]
    kept = place < limit
    lists = np.full((questions, limit), -1, np.int64)
    lists[groups.cases[groups.group[order[kept]]], place[kept]] = groups.rows[order[kept]]
    return lists


def recall_by_source(
    groups: CandidateGroups, names: Sequence[str]
) -> list[tuple[str, float, float, float]]:
    """Return (source, its recall, what the union would lose without it, its candidates a group).

    The union itself comes first, under "union".
    """
    total = groups.targets.sum()
    hit = groups.hit
    whole = float(hit.sum() / total)
    rows = [("union", whole, 0.0, len(groups.rows) / len(groups))]
    for bit, name in enumerate(names):
        here = (groups.sources >> bit & 1).astype(np.bool_)
        only = groups.sources == 1 << bit
        if here.any():
            found = float(hit[here].sum() / total)
            lost = float(hit[only].sum() / total)
            rows.append((name, found, lost, float(here.sum() / len(groups))))
    return rows
