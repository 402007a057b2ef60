"""Train and measure the full model: both stages, by a configuration, against every baseline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.candidates import source_names
from models.errors import BadDataset
from models.features import HistoryConfig
from training import baselines, newcomers
from training.baselines import Scores
from training.config import TrainConfig
from training.content import content_scores
from training.fit import Progress
from training.heldout import held_out, window_out
from training.log import Log, read_log
from training.model import history_for
from training.questions import Question, questions
from training.ranked import Lists, score_lists
from training.references import ease_scores, ials_scores
from training.second_stage import DEFAULT, Lesson, SecondStage, recall_by_source, second_stage
from training.slices import Measured, answers, measure
from training.splits import Split, target_types
from training.spread import Spread, spreads

KS = (3, 10, 20)
MODEL, CONTENT = "the model", "content similarity"
SHOWN = 10  # places of a list that count as seen

Steps = Callable[[str], Progress]


@dataclass(frozen=True, kw_only=True)
class Full:
    """A full model, measured: figures by intent, recall by source, and how lists spread."""

    meaning: str
    targets: tuple[str, ...]
    stage: SecondStage
    measured: Mapping[str, Sequence[Measured]]
    sources: Mapping[str, Sequence[tuple[str, float, float, float]]]
    spread: Mapping[str, Mapping[str, Spread]]
    newcomers: Sequence[Measured]


def train_full(dataset: Path, config: TrainConfig, steps: Steps) -> Full:
    """Fit both intents on what is held out, and measure them beside the baselines.

    Raises `BadDataset` for data that nothing can be learnt from.
    """
    steps("reading the dataset")(0, 1)
    whole = read_log(dataset)
    targets = target_types(whole)
    fresh = newcomers.deal(whole, config.split.newcomers, config.seed)
    log = newcomers.without(whole, fresh)
    parts = held_out(dataset, log, targets, config.split, config.seed)
    if not parts.cases:
        raise BadDataset(f"{dataset}: nothing held out: {parts.meaning}")
    history = history_for(log)
    mask = config.split.mask
    tested = Lesson(parts.training, _questions(log, parts, mask))
    lessons = [tested]
    if parts.window:
        lessons = _earlier(parts, targets, mask, config)
    stage = second_stage(
        lessons,
        tested if parts.window else None,
        targets,
        history,
        config,
        max(KS),
        steps,
        log if parts.window else None,
    )
    measured, sources, spread = {}, {}, {}
    popular = baselines.prepare(parts.training, targets, stage.items).popular
    names = source_names(stage.retrieval.tables.names)
    touched = frozenset(e.item for c in parts.training.customers for e in c.events if e.item)
    for name, ranked in stage.intents.items():
        lists = {MODEL: ranked.lists}
        lists |= _baselines(parts.training, targets, stage.items, ranked.asked, config, steps)
        steps(f"{name}: measuring")(0, 1)
        answered = answers(ranked.asked, stage.items, touched)
        measured[name] = measure(lists, answered, len(stage.items), KS, config.seed)
        sources[name] = recall_by_source(ranked.groups, names)
        spread[name] = spreads(lists, popular, SHOWN)
    return Full(
        meaning=parts.meaning,
        targets=targets,
        stage=stage,
        measured=measured,
        sources=sources,
        spread=spread,
        newcomers=_newcomers(whole, fresh, log, parts, stage, targets, history, config),
    )


def _newcomers(
    log: Log,
    fresh: NDArray[np.bool_],
    known: Log,
    parts: Split,
    stage: SecondStage,
    targets: tuple[str, ...],
    history: HistoryConfig,
    config: TrainConfig,
) -> Sequence[Measured]:
    if not fresh.any():
        return ()
    if not parts.window:
        raise BadDataset(f"newcomers are met in a last window; here is none: {parts.meaning}")
    everybody = window_out(log, targets, config.split, config.seed).cases
    cases = [case for case in everybody if case.customer is not None and fresh[case.customer]]
    trained = baselines.prepare(parts.training, targets, stage.items)

    def others(asked: Sequence[Question]) -> Mapping[str, Lists]:
        return _lists(
            {
                "popularity": baselines.popularity_scores(trained, asked),
                "item-kNN": baselines.item_knn_scores(trained, asked, known),
                CONTENT: content_scores(trained, asked, known),
            },
            asked,
            trained,
            config.seed,
        )

    ranked = stage.intents[DEFAULT]
    return newcomers.measure_newcomers(
        log, cases, stage, ranked, config.default, history, others, MODEL, KS, config.seed
    )


def _questions(log: Log, parts: Split, mask: Sequence[str]) -> list[Question]:
    return questions(log if parts.window else parts.training, parts.cases, mask)


def _earlier(
    parts: Split, targets: Sequence[str], mask: Sequence[str], config: TrainConfig
) -> list[Lesson]:
    """Return a lesson for each of the windows before the test, the latest first."""
    lessons = []
    for _ in range(config.windows):
        before = parts.training
        parts = window_out(before, tuple(targets), config.split, config.seed)
        if not parts.cases:
            break
        lessons.append(Lesson(parts.training, _questions(before, parts, mask)))
    if not lessons:
        raise BadDataset("events.parquet: no window before the test to learn from")
    return lessons


def _baselines(
    log: Log,
    targets: Sequence[str],
    items: Sequence[str],
    asked: Sequence[Question],
    config: TrainConfig,
    steps: Steps,
) -> dict[str, Lists]:
    steps("baselines")(0, 1)
    trained = baselines.prepare(log, targets, items)
    scores: dict[str, Scores | None] = {
        "popularity": baselines.popularity_scores(trained, asked),
        "own counts": baselines.own_count_scores(trained, asked, log),
        "item-kNN": baselines.item_knn_scores(trained, asked, log),
        CONTENT: content_scores(trained, asked, log),
        "EASE": ease_scores(trained, asked, log),
        "iALS": ials_scores(trained, asked, config.seed),
        "LightFM by customer": baselines.by_customer_scores(
            trained, asked, config.stage_one, config.seed, steps("LightFM by customer")
        ),
    }
    return _lists(scores, asked, trained, config.seed)


def _lists(
    scores: Mapping[str, Scores | None],
    asked: Sequence[Question],
    trained: baselines.Trained,
    seed: int,
) -> dict[str, Lists]:
    return {
        name: score_lists(blocks, asked, trained.row_of, max(KS), seed)
        for name, blocks in scores.items()
        if blocks is not None
    }
