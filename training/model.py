"""A fitted model as the content of a release: configuration, arrays, golden requests."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from models.features import HistoryConfig
from models.golden import make_golden
from models.manifest import ORGANIC, RESPONSE, Golden, GoldenEvent, Manifest, Metric, Vocabulary
from models.release import Content, Release
from training.config import TrainConfig
from training.examples import make_examples
from training.fit import Settings, fit
from training.log import Log
from training.popularity import popularity
from training.progress import Progress

PREFIXES = 30
GOLDENS = 8
GOLDEN_TOP = 10
STEP_DECAY = 0.95
LIBRARIES = ("throughline", "lightfm-next", "lightgbm", "numpy", "scipy", "polars")


def history_for(log: Log, responses: tuple[str, ...] = ()) -> HistoryConfig:
    """Return how history counts: decayed by step where there is order, else evenly.

    `responses` are the types by which customers respond to offers, where that is learnt.
    """
    if log.metadata.kind == "undated":
        return HistoryConfig(decay="none", factor=1.0, responses=responses)
    return HistoryConfig(decay="step", factor=STEP_DECAY, responses=responses)


def fit_content(
    log: Log,
    targets: Iterable[str],
    history: HistoryConfig,
    settings: Settings,
    seed: int,
    progress: Progress = lambda done, of: None,
) -> Content:
    """Fit on all of `log` and return what a release holds."""
    wanted = tuple(targets)
    examples = make_examples(log, wanted, history, PREFIXES, seed)
    space = fit(examples, log.items, settings, seed, progress)
    popular = popularity(log, wanted, space.items)
    return Content(
        vocabulary=Vocabulary(
            items=space.items,
            item_features=space.item_features,
            user_features=space.user_features,
            segments=popular.segments,
        ),
        item_vectors=space.item_vectors,
        item_feature_vectors=space.item_feature_vectors,
        user_feature_vectors=space.user_feature_vectors,
        popularity=popular.log_shares,
        item_weights=popular.weights,
    )


def manifest_fields(
    log: Log,
    targets: Sequence[str],
    history: HistoryConfig,
    config: TrainConfig,
    meaning: str,
) -> dict[str, Any]:
    """Return the fields of a manifest but metrics and files."""
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


def _flat(prefix: str, said: dict[str, Any]) -> Iterator[tuple[str, int | float | str | list[str]]]:
    """Yield every field of a configuration under its path; what is not set is left out."""
    for name, value in said.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        elif value is not None:
            yield f"{prefix}{name}", int(value) if isinstance(value, bool) else value


def in_memory(
    content: Content, fields: dict[str, Any], metrics: tuple[Metric, ...] = ()
) -> Release:
    """Return a release that was not written yet, to be measured."""
    return Release("", Manifest(files={}, metrics=metrics, **fields), content)


def golden_requests(release: Release) -> tuple[Golden, ...]:
    """Return synthetic customers with the items that `release` ranks first for them.

    Histories are dealt from the release's own columns, so they are nobody's.
    """
    columns = [name for name in release.user_feature_row if ":" in name and "@" not in name]
    step = max(1, len(columns) // (GOLDENS * 3))
    found = []
    for number in range(GOLDENS):
        names = columns[number * step :: step * GOLDENS][: number + 1]
        history = tuple(
            GoldenEvent(name.partition(":")[0], "golden", name.partition(":")[2], age)
            for age, name in enumerate(names)
        )
        found.append(make_golden(release, history, {}, GOLDEN_TOP))
    return (*found, make_golden(release, (), {}, GOLDEN_TOP))
