"""The release in force, measured on the same cases as a new one: the gate decides by this.

If it was fitted again on everything and the data is the same, it has seen the cases and looks
better than it is; the new release then has to be promoted with a reason.
"""

from collections.abc import Sequence

import numpy as np

from models.errors import BadRelease
from models.release.gate import GATED, Comparison, Lead
from models.release.loader import load_release
from models.release.registry import Registry
from models.release.release import Release
from training.evaluation.ranked_lists import release_lists
from training.evaluation.slices import Measurement
from training.progress import Progress
from training.splits.eval_cases import EvalCase, RankedLists

MODEL, IN_FORCE = "release", "in force"  # the rankers that a gate compares


def release_in_force(registry: Registry) -> Release | None:
    """Load the release in force; None where there is none, or none that can be loaded."""
    release_id = registry.pointer().release
    if not release_id:
        return None
    try:
        return load_release(registry.path(release_id))
    except BadRelease:
        return None


def lists_over(
    release: Release,
    items: Sequence[str],
    eval_cases: Sequence[EvalCase],
    limit: int,
    progress: Progress,
    intent: str,
) -> RankedLists:
    """Return lists (cases, limit) of `release` as rows of `items`; others are -1, and no hit."""
    row_of = {item: row for row, item in enumerate(items)}
    # The last entry is for -1, the end of a list.
    rows = np.array([*(row_of.get(item, -1) for item in sorted(release.items)), -1], np.int64)
    return rows[release_lists(release, eval_cases, limit, progress, intent)]


def comparison(release: str, other: str, measured: Sequence[Measurement]) -> Comparison:
    """Return how far `release` leads `other`, whose measurements in `measured` are `IN_FORCE`."""
    mine = {
        measurement.slice: measurement.metrics
        for measurement in measured
        if measurement.ranker == MODEL
    }
    return Comparison(
        release=release,
        other=other,
        leads=tuple(
            Lead(
                metric=metric,
                slice=measurement.slice,
                n=measurement.n,
                mine=mine[measurement.slice][metric].value,
                theirs=measurement.metrics[metric].value,
                low=measurement.lead[metric].low,
                high=measurement.lead[metric].high,
            )
            for measurement in measured
            if measurement.ranker == IN_FORCE
            for metric in GATED
            if metric in measurement.lead
        ),
    )
