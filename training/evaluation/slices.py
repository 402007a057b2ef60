"""Measure ranked lists over all cases, and by slices in which an average would hide differences."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.evaluation.bootstrap import Interval, intervals
from training.evaluation.metrics import metric_table
from training.splits.eval_cases import EvalCase, RankedLists

ALL = "all"
KNOWN = "targets known to the release"
INTERACTIONS = (
    (0, 0, "0 events"),
    (1, 4, "1-4 events"),
    (5, 19, "5-19 events"),
    (20, None, "20+ events"),
)


@dataclass(frozen=True)
class CaseTargets:
    """The targets of all cases, one entry for each pair of a case and a target item.

    There are `cases` cases. `case` (pairs,) is the index of the case, `row` (pairs,) the row of the
    item, -1 without one; `slices` has (pairs,) by the name of a slice: which pairs are in it.
    """

    cases: int
    case: NDArray[np.int64]
    row: NDArray[np.int64]
    slices: Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Measurement:
    """One ranker on one slice: `n` cases, an interval for each metric.

    `lead` is, for each metric, by how much the first ranker leads this one, paired by case; it is
    empty for the first ranker.
    """

    ranker: str
    slice: str
    n: int
    metrics: Mapping[str, Interval]
    lead: Mapping[str, Interval] = field(default_factory=dict)


def case_targets(
    eval_cases: Sequence[EvalCase], items: Sequence[str], touched: frozenset[str]
) -> CaseTargets:
    """Return the targets as rows of `items`; `touched` are items with an event in training."""
    row_of = {item: row for row, item in enumerate(items)}
    pairs = [(at, target) for at, case in enumerate(eval_cases) for target in case.case.targets]
    case = np.array([at for at, _ in pairs], np.int64)
    row = np.array([row_of.get(target.item, -1) for _, target in pairs], np.int64)
    interactions = np.array([eval_cases[at].interaction_count for at, _ in pairs], np.int64)
    repeated = np.array(
        [target.item in eval_cases[at].touched_items for at, target in pairs], np.bool_
    )
    new = np.array([target.item not in touched for _, target in pairs], np.bool_)
    channel = np.array([target.channel for _, target in pairs], np.str_)
    known = np.array([_known_from(eval_cases[at].channels) for at, _ in pairs], np.str_)
    slices = {
        ALL: np.ones(len(pairs), np.bool_),
        KNOWN: row >= 0,
        "warm": interactions > 0,
        "cold": interactions == 0,
        **{
            name: (interactions >= minimum)
            & (interactions <= (interactions.max(initial=0) if limit is None else limit))
            for minimum, limit, name in INTERACTIONS
        },
        "repeat": repeated,
        "discovery": ~repeated,
        "seen items": ~new,
        "new items": new,
        **{
            f"known from {name}": known == name
            for name in sorted(set(known.tolist()))
            if name and len(set(known.tolist()) - {""}) > 1
        },
        **{f"on {name}": channel == name for name in sorted(set(channel.tolist())) if name},
    }
    return CaseTargets(len(eval_cases), case, row, slices)


def _known_from(channels: frozenset[str]) -> str:
    return next(iter(channels), "") if len(channels) < 2 else "several channels"


def measure(
    lists: Mapping[str, RankedLists],
    targets: CaseTargets,
    items: int,
    ks: tuple[int, ...],
    seed: int,
) -> list[Measurement]:
    """Measure each ranker's lists on each slice that has cases; the first ranker is compared.

    Lists are rows of `items` items; `ks` are the lengths to measure at.
    """
    measured: list[Measurement] = []
    for name, pairs in targets.slices.items():
        if pairs.any():
            measured.extend(_slice(lists, targets, items, ks, seed, name, pairs))
    return measured


def _slice(
    lists: Mapping[str, RankedLists],
    targets: CaseTargets,
    items: int,
    ks: tuple[int, ...],
    seed: int,
    name: str,
    pairs: NDArray[np.bool_],
) -> Iterator[Measurement]:
    counts = np.bincount(targets.case[pairs], minlength=targets.cases)
    cases = np.flatnonzero(counts)
    listed = pairs & (targets.row >= 0)
    right = targets.case[listed] * items + targets.row[listed]
    values = []
    names: list[str] = []
    for rows in lists.values():
        keys = np.where(rows >= 0, np.arange(len(rows))[:, None] * items + rows, -1)[cases]
        names, by_case = metric_table(np.isin(keys, right), counts[cases], ks)
        values.append(by_case)
    leads = [values[0] - other for other in values[1:]]
    bootstrapped = iter(intervals(np.concatenate([*values, *leads], axis=1), seed))
    measured = [{metric: next(bootstrapped) for metric in names} for _ in lists]
    leads_of: list[dict[str, Interval]] = [{}]
    leads_of.extend({metric: next(bootstrapped) for metric in names} for _ in leads)
    for ranker, metrics, by in zip(lists, measured, leads_of, strict=True):
        yield Measurement(ranker, name, len(cases), metrics, by)
