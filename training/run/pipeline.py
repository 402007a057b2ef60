"""Fit and measure both stages by a configuration, intent by intent, beside every baseline."""

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
from training.evaluation import baselines, cold_users
from training.evaluation.catalogue_coverage import CatalogueCoverage, coverage_by_ranker
from training.evaluation.compared_rankers import (
    CONTENT,
    KS,
    POPULARITY,
    STAGE_ONE,
    baselines_by_intent,
    compared_releases,
    lists_of_scores,
)
from training.evaluation.content_similarity import content_scores
from training.evaluation.incumbent import MODEL
from training.evaluation.new_items import measure_new_items
from training.evaluation.ranked_lists import release_lists
from training.evaluation.redemptions import measure_redemptions
from training.evaluation.slices import Measurement, case_targets, measure
from training.log.event_log import Log
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
from training.splits.cases import Split, of_known_customers
from training.splits.eval_cases import EvalCase, RankedLists, eval_cases_of
from training.splits.held_out import held_out, window_out
from training.splits.protocols import target_types
from training.splits.restore import restore_cases

RENEWED = "release renewed"
SHOWN = 10  # places of a list that count as seen


@dataclass(frozen=True, kw_only=True)
class TrainedPipeline:
    """Both stages, fitted and measured.

    `stage` is None where there is nothing to learn a second stage from, and `without` says why.
    `measured` holds figures by intent, `redeemed` those of offers, `newcomers` those of customers
    whom nothing was learnt from, `new_items` those of what nobody had touched, `sources` recall by
    source, `spread` how lists spread. `renewed` holds the figures of a release whose shares are
    counted anew on the way, with the trend. `responses` are those of a release that ranks by the
    rate of response.
    """

    meaning: str
    targets: tuple[str, ...]
    release: Release
    content: ReleaseContent
    stage: FittedSecondStage | None
    skipped_reason: str
    measured: Mapping[str, Sequence[Measurement]]
    renewed: Mapping[str, Sequence[Measurement]]
    redeemed: Sequence[Measurement]
    sources: Mapping[str, Sequence[tuple[str, float, float, float]]]
    catalogue_coverage: Mapping[str, Mapping[str, CatalogueCoverage]]
    cold_users: Sequence[Measurement]
    new_items: Sequence[Measurement]
    responses: ResponseFigures | None


def train_pipeline(
    dataset: Path, whole_log: Log, config: TrainConfig, incumbent: Release | None, steps: Steps
) -> TrainedPipeline:
    """Fit both stages on what is not held out, and measure them beside the baselines.

    `incumbent`, where there is one, is measured on the same cases. Figures are of what is served:
    where the trees did not see the cases, of the release itself; else each customer is ranked by
    trees that were fitted without them.
    """
    targets = target_types(whole_log)
    fresh = cold_users.deal_cold_users(whole_log, config.split.newcomers, config.seed)
    log = cold_users.without_customers(whole_log, fresh)
    parts = held_out(dataset, log, targets, config.split, config.seed)
    if config.share < 1:
        parts = of_known_customers(parts)
    history = history_for(whole_log, config.responses.types if config.responses else ())
    settings, seed, mask = config.stage_one, config.seed, config.split.mask
    content = fit_content(parts.training, targets, history, settings, seed, steps("stage one"))
    fields = manifest_fields(whole_log, targets, history, config, parts.meaning)
    plain = in_memory(content, fields)
    asked = _questions(log, parts, mask) if parts.cases else []
    stage, without = None, ""
    responding: ResponseStage | None = None
    try:
        tested = TrainingWindow(parts.training, asked)
        lessons = _earlier(parts, targets, mask, config) if parts.window else [tested]
        later = tested if parts.window else None
        trend = log if parts.window else None
        ranking = config.second_stage
        stage = fit_second_stage(lessons, later, targets, history, ranking, max(KS), steps, trend)
        if config.responses is not None:
            responding = fit_response_stage(
                log, parts.window, lessons, stage, history, ranking, config.responses, steps
            )
        content = _complete(content, _ranking(stage, stage.retrieval, config, responding))
    except NothingToLearn as error:
        if config.responses is not None:
            raise
        without = str(error)
    release = in_memory(content, fields)
    touched = frozenset(e.item for c in parts.training.customers for e in c.events if e.item)
    popular = baselines.count_for_baselines(parts.training, targets, release.items).popular
    intents = stage.intents if stage else {}
    puts = {intent: ranked.eval_cases for intent, ranked in intents.items()} or {DEFAULT: asked}
    beside = baselines_by_intent(
        puts, parts.training, targets, release.items, settings, seed, steps
    )
    measured, renewed, sources, spread = {}, {}, {}, {}
    for intent, put in puts.items() if parts.cases else ():
        found = intents.get(intent)
        if found is None or found.measured_later:
            step = steps(f"{intent}: ranking")
            lists = {MODEL: release_lists(release, put, max(KS), step, intent)}
        else:
            lists = {MODEL: found.lists}
        lists |= compared_releases(release, plain, incumbent, put, intent, stage is not None, steps)
        lists |= beside[intent]
        steps(f"{intent}: measuring")(0, 1)
        answered = case_targets(put, release.items, touched)
        measured[intent] = measure(lists, answered, len(release.items), KS, seed)
        spread[intent] = coverage_by_ranker(lists, popular, SHOWN)
        if found is not None and found.measured_later and config.trend is not None:
            lists = {RENEWED: found.lists, **beside[intent]}
            renewed[intent] = measure(lists, answered, len(release.items), KS, seed)
        if found is not None and stage is not None:
            names = source_names(stage.retrieval.tables.names)
            sources[intent] = recall_by_source(found.groups, names)
    responses = None
    if responding is not None:
        responses = responding.figures(release, incumbent, log, seed, steps)
    redeemed: Sequence[Measurement] = ()
    if parts.window:
        known = {MODEL: release}
        if stage is not None and responding is not None:
            organic = _complete(content, _ranking(stage, stage.retrieval, config, None))
            known[AFFINITY] = in_memory(organic, fields)
        redeemed = measure_redemptions(known, log, parts.window, seed)
    among_new: Sequence[Measurement] = ()
    if stage is not None:
        among_new = _new_items(release, parts.training, targets, asked, seed)
    newly: Sequence[Measurement] = ()
    if stage is not None and fresh.any():
        newly = _newcomers(release, whole_log, fresh, log, parts, targets, config)
    if config.refit:
        if config.split.protocol == "truth":
            whole_log = restore_cases(whole_log, parts.cases, targets[0])
        content = _again(whole_log, targets, history, config, stage, responding, steps)
        release = in_memory(content, fields)
    return TrainedPipeline(
        meaning=parts.meaning,
        targets=targets,
        release=release,
        content=content,
        stage=stage,
        skipped_reason=without,
        measured=measured,
        renewed=renewed,
        redeemed=redeemed,
        sources=sources,
        catalogue_coverage=spread,
        cold_users=newly,
        new_items=among_new,
        responses=responses,
    )


def _ranking(
    stage: FittedSecondStage,
    retrieval: RetrievalTables,
    config: TrainConfig,
    responding: ResponseStage | None,
) -> Ranking:
    """Return the second stage of a release.

    An intent with nothing of its own to learn from is ranked by the trees of the default one, and
    every intent by the rate of response where that is learnt.
    """
    ensembles = {}
    for intent, chosen in ((DEFAULT, config.default), (DISCOVERY, config.discovery)):
        ranked = responding or stage.intents.get(intent) or stage.intents[DEFAULT]
        fitted = ranked.fitted if retrieval is stage.retrieval else ranked.refitted
        ensembles[intent] = Ensemble(fitted.trees, fitted.calibration, chosen.quotas)
    return Ranking(retrieval, ensembles)


def _complete(content: ReleaseContent, ranking: Ranking) -> ReleaseContent:
    """Return the content of a release with a second stage; both stages read the same shares."""
    shares = ranking.retrieval.shares
    segments = sorted(shares.row_of, key=shares.row_of.__getitem__)
    return msgspec.structs.replace(
        content,
        second_stage=ranking,
        popularity=shares.logs,
        vocabulary=msgspec.structs.replace(content.vocabulary, segments=segments),
    )


def _again(
    log: Log,
    targets: tuple[str, ...],
    history: HistoryConfig,
    config: TrainConfig,
    stage: FittedSecondStage | None,
    responding: ResponseStage | None,
    steps: Steps,
) -> ReleaseContent:
    """Fit both stages on all of `log`."""
    step, seed = steps("stage one again"), config.seed
    content = fit_content(log, targets, history, config.stage_one, seed, step)
    if stage is None:
        return content
    items = content.vocabulary.items
    touches = interactions_of(log, items, config.remembered)
    found = count_retrieval(
        log, targets, items, touches, seed, pairs=stage.pairs, trend=config.trend
    )
    return _complete(content, _ranking(stage, found, config, responding))


def _newcomers(
    release: Release,
    log: Log,
    fresh: NDArray[np.bool_],
    known: Log,
    parts: Split,
    targets: tuple[str, ...],
    config: TrainConfig,
) -> Sequence[Measurement]:
    if not parts.window:
        raise BadDataset(f"newcomers are met in a last window; here is none: {parts.meaning}")
    everybody = window_out(log, targets, config.split, config.seed).cases
    cases = [case for case in everybody if case.customer is not None and fresh[case.customer]]
    trained = baselines.count_for_baselines(parts.training, targets, release.items)

    def others(asked: Sequence[EvalCase]) -> Mapping[str, RankedLists]:
        return lists_of_scores(
            {
                POPULARITY: baselines.popularity_scores(trained, asked),
                "item-kNN": baselines.item_knn_scores(trained, asked, known),
                CONTENT: content_scores(trained, asked, known),
            },
            asked,
            trained,
            config.seed,
        )

    return cold_users.measure_cold_users(release, log, cases, others, MODEL, KS, config.seed)


def _new_items(
    release: Release,
    log: Log,
    targets: tuple[str, ...],
    asked: Sequence[EvalCase],
    seed: int,
) -> Sequence[Measurement]:
    trained = baselines.count_for_baselines(log, targets, release.items)
    names = (STAGE_ONE, CONTENT, POPULARITY)
    return measure_new_items(release, trained, asked, log, names, KS, seed)


def _questions(log: Log, parts: Split, mask: Sequence[str]) -> list[EvalCase]:
    return eval_cases_of(log if parts.window else parts.training, parts.cases, mask)


def _earlier(
    parts: Split, targets: Sequence[str], mask: Sequence[str], config: TrainConfig
) -> list[TrainingWindow]:
    """Return a lesson for each of the windows before the test, the latest first."""
    lessons = []
    for _ in range(config.windows):
        before = parts.training
        parts = window_out(before, tuple(targets), config.split, config.seed)
        if not parts.cases:
            break
        lessons.append(
            TrainingWindow(parts.training, _questions(before, parts, mask), parts.window)
        )
    if not lessons:
        raise NothingToLearn("events.parquet: no window before the test to learn from")
    return lessons
