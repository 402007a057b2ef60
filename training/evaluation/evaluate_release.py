"""Measure any release against any truth: others check us with it."""

from collections.abc import Iterable, Sequence

from models.domain.decisions import Intent
from models.release.release import Release
from training.evaluation.incumbent import MODEL
from training.evaluation.ranked_lists import release_lists
from training.evaluation.slices import Measurement, case_targets, measure
from training.log.event_log import Log
from training.progress import Progress, no_progress
from training.splits.cases import Case
from training.splits.eval_cases import discovery_cases, eval_cases_of

SEED = 0


def evaluate_release(
    release: Release,
    cases: Sequence[Case],
    log: Log,
    mask: Iterable[str],
    ks: tuple[int, ...],
    progress: Progress = no_progress,
    intent: str = Intent.DEFAULT,
) -> list[Measurement]:
    """Measure `release` on `cases`, histories taken from `log`, slice by slice.

    Under `discovery` only what the customer never touched is right, and nothing else is listed.
    """
    asked = eval_cases_of(log, cases, mask)
    if intent == Intent.DISCOVERY:
        asked = discovery_cases(asked)
    items = sorted(release.items)
    touched = frozenset(e.item for c in log.customers for e in c.events if e.item)
    lists = {MODEL: release_lists(release, asked, max(ks), progress, intent)}
    return measure(lists, case_targets(asked, items, touched), len(items), ks, SEED)


def as_json(measured: Sequence[Measurement]) -> dict[str, object]:
    """Return the figures as plain data: those of all cases, and those of every slice."""
    parts = {
        found.slice: {
            "n": found.n,
            "metrics": {name: value._asdict() for name, value in found.metrics.items()},
        }
        for found in measured
        if found.ranker == MODEL
    }
    whole = parts.get("all", {"n": 0, "metrics": {}})
    return {**whole, "slices": {name: part for name, part in parts.items() if name != "all"}}
