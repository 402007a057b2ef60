"""Train: split, fit, measure against the baselines, and write the release that was measured."""

import json
import resource
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadDataset
from models.registry import Entry, Registry
from models.release import Metric, write_release
from training import baselines
from training.fit import Progress, Settings
from training.incumbent import IN_FORCE, comparison, lists_among, release_in_force
from training.log import Log, read_log
from training.model import (
    fit_content,
    golden_requests,
    history_for,
    in_memory,
    manifest_fields,
)
from training.questions import Question, questions
from training.ranked import Lists, release_lists, score_lists
from training.redemptions import measure_redemptions
from training.slices import Measured, answers, measure
from training.splits import split, target_types

KS = (10, 20)
MASKED: tuple[str, ...] = ()

# Says which step runs, and returns what reports its progress.
Steps = Callable[[str], Progress]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training run made: the release, its figures, and what it cost."""

    release: str
    directory: Path
    meaning: str
    targets: tuple[str, ...]
    measured: list[Measured]
    seconds: float
    peak_memory_mib: float


def train(
    dataset: Path,
    registry: Path,
    settings: Settings,
    *,
    seed: int = 0,
    test_days: int | None = None,
    refit: bool = False,
    steps: Steps = lambda step: lambda done, of: None,
) -> Trained:
    """Train on `dataset` and enter the release into `registry`; it is not put in force.

    With `refit` the release is fitted again on everything, and its metrics remain those of the one
    fitted on the training part. The release in force is measured on the same cases, for the gate of
    a promotion. Raises `BadDataset` for data that nothing can be learnt from.
    """
    started = time.monotonic()
    held = Registry(registry)
    incumbent = release_in_force(held)
    steps("reading the dataset")(0, 1)
    log = read_log(dataset)
    if len(log.items) < 2:
        raise BadDataset(f"{dataset}: items: fewer than 2 items")
    targets = target_types(log)
    parts = split(log, targets, seed, test_days)
    history = history_for(log)
    content = fit_content(parts.training, targets, history, settings, seed, steps("fitting"))
    fields = manifest_fields(log, targets, history, settings, seed, parts.meaning, refit=refit)
    release = in_memory(content, fields)
    measured: list[Measured] = []
    if parts.cases:
        asked = questions(log if parts.window else parts.training, parts.cases, MASKED)
        lists = {"release": release_lists(release, asked, max(KS), steps("ranking"))}
        if incumbent is not None:
            step = steps("ranking by the release in force")
            lists[IN_FORCE] = lists_among(incumbent, sorted(release.items), asked, max(KS), step)
        lists |= _baselines(parts.training, targets, release.items, asked, settings, seed, steps)
        touched = frozenset(e.item for c in parts.training.customers for e in c.events if e.item)
        answered = answers(asked, sorted(release.items), touched)
        steps("measuring")(0, 1)
        measured = measure(lists, answered, len(release.items), KS, seed)
        if parts.window:
            measured += measure_redemptions(release, log, parts.window, seed)
    if refit:
        content = fit_content(log, targets, history, settings, seed, steps("fitting again"))
        release = in_memory(content, fields)
    release_id, directory = write_release(
        registry, content, golden_requests(release), metrics=_metrics(measured), **fields
    )
    seconds, memory = time.monotonic() - started, _peak_memory_mib()
    held.add(
        Entry(
            release=release_id,
            created=time.time_ns() // 1000,
            host=socket.gethostname(),
            seconds=round(seconds, 1),
            peak_memory_mib=round(memory, 1),
        )
    )
    if incumbent is not None and measured and incumbent.id != release_id:
        held.compare(comparison(release_id, incumbent.id, measured))
    _write_report(registry, release_id, measured)
    return Trained(
        release=release_id,
        directory=directory,
        meaning=parts.meaning,
        targets=targets,
        measured=measured,
        seconds=seconds,
        peak_memory_mib=memory,
    )


def _baselines(
    log: Log,
    targets: Sequence[str],
    items: Sequence[str],
    asked: Sequence[Question],
    settings: Settings,
    seed: int,
    steps: Steps,
) -> dict[str, Lists]:
    steps("baselines")(0, 1)
    trained = baselines.prepare(log, targets, sorted(items))
    scores = {
        "popularity": baselines.popularity_scores(trained, asked),
        "own counts": baselines.own_count_scores(trained, asked, log),
        "item-kNN": baselines.item_knn_scores(trained, asked, log),
        "LightFM by customer": baselines.by_customer_scores(
            trained, asked, settings, seed, steps("LightFM by customer")
        ),
    }
    return {
        name: score_lists(blocks, asked, trained.row_of, max(KS), seed)
        for name, blocks in scores.items()
    }


def _metrics(measured: Sequence[Measured]) -> tuple[Metric, ...]:
    return tuple(
        Metric(name=name, slice=found.slice, n=found.n, value=v.value, low=v.low, high=v.high)
        for found in measured
        if found.ranker == "release"
        for name, v in found.metrics.items()
    )


def _write_report(registry: Path, release_id: str, measured: Sequence[Measured]) -> None:
    """Write every figure, the baselines' too, beside the release: it holds no customer."""
    rows = [
        {
            "ranker": found.ranker,
            "slice": found.slice,
            "n": found.n,
            "metrics": {name: value._asdict() for name, value in found.metrics.items()},
            "behind_release": {name: value._asdict() for name, value in found.ahead.items()},
        }
        for found in measured
    ]
    directory = registry / "reports"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{release_id}.json").write_text(json.dumps(rows, indent=1) + "\n")


def _peak_memory_mib() -> float:
    kib = sum(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return kib / 1024
