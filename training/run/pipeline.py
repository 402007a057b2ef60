"""Fit both stages by a configuration, and compare them with their opponents, intent by intent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import BadDataset
from models.recommender.ranker import Ensemble
from models.recommender.ranker import SecondStage as Ranking
from models.recommender.retrieval import RetrievalTables
from models.recommender.sources import source_names
from models.recommender.user_features import HistoryConfig
from models.release.release import Release, ReleaseContent
from training.counting.candidate_tables import count_retrieval
from training.counting.interactions import interactions_of
from training.evaluation import cold_users
from training.evaluation.catalogue_coverage import CatalogueCoverage, coverage_by_ranker
from training.evaluation.compared_releases import KS, STAGE_ONE, compared_releases
from training.evaluation.incumbent import MODEL
from training.evaluation.new_items import Scores, measure_new_items
from training.evaluation.ranked_lists import release_lists
from training.evaluation.redemptions import measure_redemptions
from training.evaluation.slices import Measurement, case_targets, measure
from training.log.event_log import Log
from training.opponents.content import CONTENT
from training.opponents.item_knn import ITEM_KNN
from training.opponents.opponents import Baselines, Opponents, families_of, make_opponents
from training.opponents.popularity import POPULARITY
from training.progress import Steps
from training.ranking.cross_fit import NothingToLearn
from training.ranking.second_stage import (
    DEFAULT,
    DISCOVERY,
    FittedSecondStage,
    TrainingWindow,
    fit_second_stage,
    recall_by_source,
)
from training.response.figures import ResponseFigures
from training.response.stage import AFFINITY, ResponseStage, fit_response_stage
from training.retrieval.stage_one import fit_content, history_for
from training.run.config import TrainConfig
from training.run.release import in_memory, manifest_fields
from training.run.windows import earlier_windows, eval_cases_in, window_before
from training.splits.cases import Inspect, Split, of_known_customers
from training.splits.eval_cases import EvalCase, RankedLists
from training.splits.held_out import held_out, window_out
from training.splits.protocols import target_types
from training.splits.restore import restore_cases

RENEWED = "release renewed"
SHOWN = 10  # places of a list that count for the coverage of the catalogue


@dataclass(frozen=True, kw_only=True)
class TrainedPipeline:
    """Both stages, fitted and measured.

    `meaning` says how the log was split, `targets` are the event types to predict. `stage` is None
    where there is nothing to learn a second stage from, and `skipped_reason` says why.

    `opponents` are what it is compared with, each as it was chosen before the test.

    By intent: `measured` are the measurements of all rankers, `renewed` those of a release whose
    trend is counted again during the test, `sources` the recall by source, `catalogue_coverage` the
    figures of each ranker. Over all: `redeemed` are the measurements of offers, `cold_users` of
    customers kept out of training, `new_items` of items that nobody had touched, `responses` of the
    rate of response where it is learnt.
    """

    meaning: str
    targets: tuple[str, ...]
    release: Release
    content: ReleaseContent
    stage: FittedSecondStage | None
    skipped_reason: str
    opponents: Opponents
    measured: Mapping[str, Sequence[Measurement]]
    renewed: Mapping[str, Sequence[Measurement]]
    redeemed: Sequence[Measurement]
    sources: Mapping[str, Sequence[tuple[str, float, float, float]]]
    catalogue_coverage: Mapping[str, Mapping[str, CatalogueCoverage]]
    cold_users: Sequence[Measurement]
    new_items: Sequence[Measurement]
    responses: ResponseFigures | None


def train_pipeline(
    dataset: Path,
    whole_log: Log,
    config: TrainConfig,
    incumbent: Release | None,
    baselines: Baselines,
    steps: Steps,
    inspect: Inspect,
) -> TrainedPipeline:
    """Fit both stages on what is not held out, and measure them and the opponents on the rest.

    `inspect` sees the split before anything is fitted. `incumbent` is measured on the same cases.
    Where the trees did not see the cases, the release itself is measured; else each customer is
    ranked by trees that were fitted without them.
    """
    targets = target_types(whole_log)
    cold = cold_users.deal_cold_users(whole_log, config.split.newcomers, config.seed)
    log = cold_users.without_customers(whole_log, cold)
    split = held_out(dataset, log, targets, config.split, config.seed)
    if config.share < 1:
        split = of_known_customers(split)
    inspect(log, split)
    history = history_for(whole_log, config.responses.types if config.responses else ())
    settings, seed, mask = config.stage_one, config.seed, config.split.mask
    content = fit_content(split.training, targets, history, settings, seed, steps("stage one"))
    fields = manifest_fields(whole_log, targets, history, config, split.meaning)
    stage_one_release = in_memory(content, fields)
    eval_cases = eval_cases_in(log, split, mask) if split.cases else []
    earlier = earlier_windows(split, targets, mask, config) if split.window else []
    stage, skipped_reason = None, ""
    response_stage: ResponseStage | None = None
    try:
        test_window = TrainingWindow(split.training, eval_cases)
        windows = earlier if split.window else [test_window]
        if not windows:
            raise NothingToLearn("events.parquet: no window before the test to learn from")
        measured_on = test_window if split.window else None
        trend = log if split.window else None
        second_stage = config.second_stage
        stage = fit_second_stage(
            windows, measured_on, targets, history, second_stage, max(KS), steps, trend
        )
        if config.responses is not None:
            response_stage = fit_response_stage(
                log, split.window, windows, stage, history, second_stage, config.responses, steps
            )
        content = _with_second_stage(
            content, _ranking(stage, stage.retrieval, config, response_stage)
        )
    except NothingToLearn as error:
        if config.responses is not None:
            raise
        skipped_reason = str(error)
    release = in_memory(content, fields)
    touched = frozenset(e.item for c in split.training.customers for e in c.events if e.item)
    opponents = make_opponents(
        split.training,
        window_before(dataset, split, earlier, targets, config),
        targets,
        release.items,
        families_of(baselines),
        settings,
        seed,
        steps,
    )
    popularity = np.asarray(opponents.past.acts.targets.sum(axis=0), np.float64).ravel()
    intents = stage.intents if stage else {}
    cases_by_intent = {intent: ranked.eval_cases for intent, ranked in intents.items()} or {
        DEFAULT: eval_cases
    }
    measured, renewed, sources, coverage = {}, {}, {}, {}
    for intent, intent_cases in cases_by_intent.items() if split.cases else ():
        fitted = intents.get(intent)
        if fitted is None or fitted.measured_later:
            step = steps(f"{intent}: ranking")
            lists = {MODEL: release_lists(release, intent_cases, max(KS), step, intent)}
        else:
            lists = {MODEL: fitted.lists}
        lists |= compared_releases(
            release, stage_one_release, incumbent, intent_cases, intent, stage is not None, steps
        )
        opponent_lists = opponents.lists(intent, intent_cases, max(KS), steps)
        lists |= opponent_lists
        steps(f"{intent}: measuring")(0, 1)
        target_rows = case_targets(intent_cases, release.items, touched)
        measured[intent] = measure(lists, target_rows, len(release.items), KS, seed)
        coverage[intent] = coverage_by_ranker(lists, popularity, SHOWN)
        if fitted is not None and fitted.measured_later and config.trend is not None:
            lists = {RENEWED: fitted.lists, **opponent_lists}
            renewed[intent] = measure(lists, target_rows, len(release.items), KS, seed)
        if fitted is not None and stage is not None:
            names = source_names(stage.retrieval.tables.names)
            sources[intent] = recall_by_source(fitted.groups, names)
    responses = None
    if response_stage is not None:
        responses = response_stage.figures(release, incumbent, log, seed, steps)
    redeemed: Sequence[Measurement] = ()
    if split.window:
        known = {MODEL: release}
        if stage is not None and response_stage is not None:
            organic = _with_second_stage(content, _ranking(stage, stage.retrieval, config, None))
            known[AFFINITY] = in_memory(organic, fields)
        redeemed = measure_redemptions(known, log, split.window, seed)
    new_measured: Sequence[Measurement] = ()
    if stage is not None:
        new_measured = _new_items(release, split.training, opponents, eval_cases, seed)
    cold_measured: Sequence[Measurement] = ()
    if stage is not None and cold.any():
        cold_measured = _cold_users(
            release, whole_log, cold, split, targets, opponents, config, steps
        )
    if config.refit:
        if config.split.protocol == "truth":
            whole_log = restore_cases(whole_log, split.cases, targets[0])
        content = _refitted(whole_log, targets, history, config, stage, response_stage, steps)
        release = in_memory(content, fields)
    return TrainedPipeline(
        meaning=split.meaning,
        targets=targets,
        release=release,
        content=content,
        stage=stage,
        skipped_reason=skipped_reason,
        opponents=opponents,
        measured=measured,
        renewed=renewed,
        redeemed=redeemed,
        sources=sources,
        catalogue_coverage=coverage,
        cold_users=cold_measured,
        new_items=new_measured,
        responses=responses,
    )


def _ranking(
    stage: FittedSecondStage,
    retrieval: RetrievalTables,
    config: TrainConfig,
    response_stage: ResponseStage | None,
) -> Ranking:
    """Return the second stage of a release.

    An intent with nothing of its own to learn from is ranked by the trees of the default one, and
    every intent by the rate of response where that is learnt.
    """
    ensembles = {}
    for intent, chosen in ((DEFAULT, config.default), (DISCOVERY, config.discovery)):
        ranked = response_stage or stage.intents.get(intent) or stage.intents[DEFAULT]
        fitted = ranked.fitted if retrieval is stage.retrieval else ranked.refitted
        ensembles[intent] = Ensemble(fitted.trees, fitted.calibration, chosen.quotas)
    return Ranking(retrieval, ensembles)


def _with_second_stage(content: ReleaseContent, second_stage: Ranking) -> ReleaseContent:
    """Return the content of a release with a second stage; both stages read the same shares."""
    shares = second_stage.retrieval.shares
    segments = sorted(shares.row_of, key=shares.row_of.__getitem__)
    return msgspec.structs.replace(
        content,
        second_stage=second_stage,
        popularity=shares.logs,
        vocabulary=msgspec.structs.replace(content.vocabulary, segments=segments),
    )


def _refitted(
    log: Log,
    targets: tuple[str, ...],
    history: HistoryConfig,
    config: TrainConfig,
    stage: FittedSecondStage | None,
    response_stage: ResponseStage | None,
    steps: Steps,
) -> ReleaseContent:
    """Return the content of a release with both stages fitted on all of `log`."""
    step, seed = steps("stage one again"), config.seed
    content = fit_content(log, targets, history, config.stage_one, seed, step)
    if stage is None:
        return content
    items = content.vocabulary.items
    interactions = interactions_of(log, items, config.remembered)
    retrieval = count_retrieval(
        log, targets, items, interactions, seed, pairs=stage.pairs, trend=config.trend
    )
    return _with_second_stage(content, _ranking(stage, retrieval, config, response_stage))


def _cold_users(
    release: Release,
    log: Log,
    cold: NDArray[np.bool_],
    split: Split,
    targets: tuple[str, ...],
    opponents: Opponents,
    config: TrainConfig,
    steps: Steps,
) -> Sequence[Measurement]:
    if not split.window:
        raise BadDataset(f"newcomers are met in a last window; here is none: {split.meaning}")
    everybody = window_out(log, targets, config.split, config.seed).cases
    cases = [case for case in everybody if case.customer is not None and cold[case.customer]]

    def compared(eval_cases: Sequence[EvalCase]) -> Mapping[str, RankedLists]:
        names = (POPULARITY.name, ITEM_KNN.name, CONTENT.name)
        return opponents.lists(DEFAULT, eval_cases, max(KS), steps, *names)

    return cold_users.measure_cold_users(release, log, cases, compared, MODEL, KS, config.seed)


def _new_items(
    release: Release,
    log: Log,
    opponents: Opponents,
    eval_cases: Sequence[EvalCase],
    seed: int,
) -> Sequence[Measurement]:
    def compared(new_cases: Sequence[EvalCase]) -> Mapping[str, Scores]:
        return {
            family.name: opponents.scores(family.name, DEFAULT, new_cases)
            for family in (CONTENT, POPULARITY)
            if family.name in opponents.chosen(DEFAULT)
        }

    return measure_new_items(release, eval_cases, log, STAGE_ONE, compared, KS, seed)
