"""Train: fit and measure both stages, write the release, and enter it into the registry."""

import json
import resource
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadDataset
from models.release.manifest import Metric
from models.release.registry import Entry, Registry
from models.release.writer import write_release
from training.evaluation.incumbent import IN_FORCE, MODEL, comparison, release_in_force
from training.evaluation.slices import Measurement
from training.log.event_log import read_log
from training.log.sample import sample
from training.opponents.opponents import Baselines
from training.progress import Steps, no_steps
from training.ranking.second_stage import DEFAULT
from training.run.config import TrainConfig
from training.run.pipeline import TrainedPipeline, train_pipeline
from training.run.release import golden_requests, manifest_fields
from training.run.report import report_figures
from training.splits.cases import Inspect, no_inspection

RESPONSES = "responses"


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """What a training run made: the release, its figures, and what it cost."""

    release: str
    directory: Path
    pipeline: TrainedPipeline
    seconds: float
    peak_memory_mib: float


def train(
    dataset: Path,
    registry: Path,
    config: TrainConfig,
    baselines: Baselines = "quick",
    steps: Steps = no_steps,
    inspect: Inspect = no_inspection,
) -> TrainingRun:
    """Train on `dataset` and enter the release into `registry`; it is not put in force.

    With `refit` the release is fitted again on everything, and its metrics remain those of the one
    fitted on the training part. `baselines` says which opponents it is compared with, which changes
    nothing of the release. The release in force is measured on the same cases, for the gate of
    a promotion. `inspect` is shown what is held out before anything is learnt, and may raise.
    Raises `BadDataset` for data that nothing can be learnt from.
    """
    started = time.monotonic()
    releases = Registry(registry)
    incumbent = release_in_force(releases)
    steps("reading the dataset")(0, 1)
    log = read_log(dataset)
    if config.share < 1:
        log = sample(log, config.share, config.seed)
    if len(log.items) < 2:
        raise BadDataset(f"{dataset}: items: fewer than 2 items")
    pipeline = train_pipeline(dataset, log, config, incumbent, baselines, steps, inspect)
    fields = manifest_fields(
        log, pipeline.targets, pipeline.release.history, config, pipeline.meaning
    )
    release_id, directory = write_release(
        registry,
        pipeline.content,
        golden_requests(pipeline.release),
        metrics=_metrics(pipeline),
        **fields,
    )
    seconds, memory = time.monotonic() - started, _peak_memory_mib()
    releases.add(
        Entry(
            release=release_id,
            created=time.time_ns() // 1000,
            host=socket.gethostname(),
            seconds=round(seconds, 1),
            peak_memory_mib=round(memory, 1),
        )
    )
    measured = (
        pipeline.responses.measured if pipeline.responses else pipeline.measured.get(DEFAULT, ())
    )
    compared = any(measurement.ranker == IN_FORCE for measurement in measured)
    if incumbent is not None and compared and incumbent.id != release_id:
        releases.compare(comparison(release_id, incumbent.id, measured))
    _write_report(registry, release_id, pipeline)
    return TrainingRun(
        release=release_id,
        directory=directory,
        pipeline=pipeline,
        seconds=seconds,
        peak_memory_mib=memory,
    )


def _metrics(pipeline: TrainedPipeline) -> tuple[Metric, ...]:
    """Return the metrics of the release; those of responses are under the intent `RESPONSES`."""
    measured: dict[str, Sequence[Measurement]] = dict(pipeline.measured)
    if pipeline.responses is not None:
        measured[RESPONSES] = pipeline.responses.measured
    return tuple(
        Metric(
            name=name,
            slice=measurement.slice,
            n=measurement.n,
            value=v.value,
            low=v.low,
            high=v.high,
            intent=intent,
        )
        for intent, every in measured.items()
        for measurement in every
        if measurement.ranker == MODEL
        for name, v in measurement.metrics.items()
    )


def _write_report(registry: Path, release_id: str, pipeline: TrainedPipeline) -> None:
    """Write every figure, those of the baselines included; they identify no customer."""
    directory = registry / "reports"
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report_figures(pipeline), indent=1)
    (directory / f"{release_id}.json").write_text(text + "\n")


def _peak_memory_mib() -> float:
    kib = sum(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return kib / 1024
