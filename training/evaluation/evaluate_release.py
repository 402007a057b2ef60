"""Measure any release against any truth file, so that others can check its figures."""

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
    """Measure `release` on `cases`, with histories from `log`, slice by slice.

    Items of events whose type is in `mask` are not listed; `ks` are the lengths of the lists. Under
    the intent `discovery`, items that the customer touched are no targets and not listed.
    """
    eval_cases = eval_cases_of(log, cases, mask)
    if intent == Intent.DISCOVERY:
        eval_cases = discovery_cases(eval_cases)
    items = sorted(release.items)
    touched = frozenset(e.item for c in log.customers for e in c.events if e.item)
    lists = {MODEL: release_lists(release, eval_cases, max(ks), progress, intent)}
    return measure(lists, case_targets(eval_cases, items, touched), len(items), ks, SEED)


def as_json(measured: Sequence[Measurement]) -> dict[str, object]:
    """Return the figures as plain data: those of all cases, and those of every slice."""
    parts = {
        measurement.slice: {
            "n": measurement.n,
            "metrics": {name: value._asdict() for name, value in measurement.metrics.items()},
        }
        for measurement in measured
        if measurement.ranker == MODEL
    }
    whole = parts.get("all", {"n": 0, "metrics": {}})
    return {**whole, "slices": {name: part for name, part in parts.items() if name != "all"}}
