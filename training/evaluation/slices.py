"""Measure ranked lists by slice: over all cases, and where an average would hide a difference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.evaluation.bootstrap import Interval, intervals
from training.evaluation.metrics import metric_table
from training.splits.eval_cases import EvalCase, RankedLists

ALL = "all"
KNOWN = "targets known to the release"
ACTS = ((0, 0, "0 events"), (1, 4, "1-4 events"), (5, 19, "5-19 events"), (20, None, "20+ events"))


@dataclass(frozen=True)
class CaseTargets:
    """The targets of all questions, one entry a pair of question and target item.

    `question` (pairs,) counts questions, `row` (pairs,) is the item's row or -1; `slices` maps the
    name of a slice to the pairs that are in it.
    """

    cases: int
    case: NDArray[np.int64]
    row: NDArray[np.int64]
    slices: Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Measurement:
    """One ranker on one slice: `n` cases, an interval for each metric.

    `ahead` is, for each metric, by how much the first ranker leads this one, paired by case.
    """

    ranker: str
    slice: str
    n: int
    metrics: Mapping[str, Interval]
    lead: Mapping[str, Interval] = field(default_factory=dict)


def case_targets(
    eval_cases: Sequence[EvalCase], items: Sequence[str], touched: frozenset[str]
) -> CaseTargets:
    """Return the targets of `asked` as rows of `items`; `touched` are items with any past event."""
    row_of = {item: row for row, item in enumerate(items)}
    pairs = [
        (at, target) for at, question in enumerate(eval_cases) for target in question.case.targets
    ]
    question = np.array([at for at, _ in pairs], np.int64)
    row = np.array([row_of.get(target.item, -1) for _, target in pairs], np.int64)
    acts = np.array([eval_cases[at].interaction_count for at, _ in pairs], np.int64)
    again = np.array(
        [target.item in eval_cases[at].touched_items for at, target in pairs], np.bool_
    )
    new = np.array([target.item not in touched for _, target in pairs], np.bool_)
    channel = np.array([target.channel for _, target in pairs], np.str_)
    known = np.array([_known_from(eval_cases[at].channels) for at, _ in pairs], np.str_)
    slices = {
        ALL: np.ones(len(pairs), np.bool_),
        KNOWN: row >= 0,
        "warm": acts > 0,
        "cold": acts == 0,
        **{
            name: (acts >= least) & (acts <= (acts.max(initial=0) if most is None else most))
            for least, most, name in ACTS
        },
        "repeat": again,
        "discovery": ~again,
        "seen items": ~new,
        "new items": new,
        **{
            f"known from {name}": known == name
            for name in sorted(set(known.tolist()))
            if name and len(set(known.tolist()) - {""}) > 1
        },
        **{f"on {name}": channel == name for name in sorted(set(channel.tolist())) if name},
    }
    return CaseTargets(len(eval_cases), question, row, slices)


def _known_from(channels: frozenset[str]) -> str:
    return next(iter(channels), "") if len(channels) < 2 else "several channels"


def measure(
    lists: Mapping[str, RankedLists],
    targets: CaseTargets,
    items: int,
    ks: tuple[int, ...],
    seed: int,
) -> list[Measurement]:
    """Measure each ranker's lists on each slice that has cases; the first is the one compared."""
    found: list[Measurement] = []
    for name, pairs in targets.slices.items():
        if pairs.any():
            found.extend(_slice(lists, targets, items, ks, seed, name, pairs))
    return found


def _slice(
    lists: Mapping[str, RankedLists],
    answered: CaseTargets,
    items: int,
    ks: tuple[int, ...],
    seed: int,
    name: str,
    pairs: NDArray[np.bool_],
) -> Iterator[Measurement]:
    counts = np.bincount(answered.case[pairs], minlength=answered.cases)
    cases = np.flatnonzero(counts)
    listed = pairs & (answered.row >= 0)
    right = answered.case[listed] * items + answered.row[listed]
    values = []
    names: list[str] = []
    for rows in lists.values():
        keys = np.where(rows >= 0, np.arange(len(rows))[:, None] * items + rows, -1)[cases]
        names, found = metric_table(np.isin(keys, right), counts[cases], ks)
        values.append(found)
    lead = [values[0] - other for other in values[1:]]
    every = iter(intervals(np.concatenate([*values, *lead], axis=1), seed))
    measured = [{metric: next(every) for metric in names} for _ in lists]
    ahead: list[dict[str, Interval]] = [{}]
    ahead.extend({metric: next(every) for metric in names} for _ in lead)
    for ranker, metrics, by in zip(lists, measured, ahead, strict=True):
        yield Measurement(ranker, name, len(cases), metrics, by)
