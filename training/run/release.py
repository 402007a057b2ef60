"""A fitted model as a release: the fields of its manifest, in memory, and golden requests."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from models.recommender.user_features import HistoryConfig
from models.release.golden import make_golden
from models.release.manifest import ORGANIC, RESPONSE, Golden, GoldenEvent, Manifest, Metric
from models.release.release import Release, ReleaseContent
from training.log.event_log import Log
from training.retrieval.stage_one import PREFIXES
from training.run.config import TrainConfig

GOLDENS = 8
GOLDEN_TOP = 10
LIBRARIES = ("throughline", "lightfm-next", "lightgbm", "numpy", "scipy", "polars")


def manifest_fields(
    log: Log,
    targets: Sequence[str],
    history: HistoryConfig,
    config: TrainConfig,
    meaning: str,
) -> dict[str, Any]:
    """Return all fields of a manifest but metrics and files; `meaning` says how `log` was split."""
    times = [e.time for c in log.customers for e in c.events if e.time is not None]
    window = {"first": str(min(times)), "last": str(max(times))} if times else {}
    return {
        "label": ORGANIC if config.responses is None else RESPONSE,
        "simulated": log.metadata.simulated,
        "data": {
            "digest": log.metadata.digest,
            "kind": log.metadata.kind,
            "source": log.metadata.source,
            **window,
        },
        "history": history,
        "configuration": {
            **dict(_flat("", msgspec.to_builtins(config))),
            "prefixes": PREFIXES,
            "split": meaning,
            "targets": list(targets),
            "fitted_on": "everything" if config.refit else "the training part",
        },
        "versions": {name: version(name) for name in LIBRARIES},
    }


def _flat(
    prefix: str, config: dict[str, Any]
) -> Iterator[tuple[str, int | float | str | list[str]]]:
    """Yield every field of a configuration by its dotted path, fields that are None left out."""
    for name, value in config.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        elif value is not None:
            yield f"{prefix}{name}", int(value) if isinstance(value, bool) else value


def in_memory(
    content: ReleaseContent, fields: dict[str, Any], metrics: tuple[Metric, ...] = ()
) -> Release:
    """Return a release that is not written, to be measured."""
    return Release("", Manifest(files={}, metrics=metrics, **fields), content)


def golden_requests(release: Release) -> tuple[Golden, ...]:
    """Return synthetic customers with the items that `release` ranks first for them.

    Histories are made from the columns of the release, so they are of no real customer.
    """
    columns = [name for name in release.user_feature_row if ":" in name and "@" not in name]
    step = max(1, len(columns) // (GOLDENS * 3))
    requests = []
    for number in range(GOLDENS):
        names = columns[number * step :: step * GOLDENS][: number + 1]
        history = tuple(
            GoldenEvent(name.partition(":")[0], "golden", name.partition(":")[2], age)
            for age, name in enumerate(names)
        )
        requests.append(make_golden(release, history, {}, GOLDEN_TOP))
    return (*requests, make_golden(release, (), {}, GOLDEN_TOP))
