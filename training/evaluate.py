"""Measure any release against any truth: others check us with it.

The truth is a Parquet file with columns `customer` (any identifier as `namespace:value`), `item`,
and optionally `before`; a case is a distinct (customer, before).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from models.decision import Intent
from models.errors import BadDataset
from models.release import Release
from training.groups import untouched
from training.incumbent import MODEL
from training.log import Log, identifier_bytes, microseconds
from training.progress import Progress
from training.questions import questions
from training.ranked import release_lists
from training.slices import Measured, answers, measure
from training.splits import Bound, Case, Target

SECOND = 1_000_000
SEED = 0


def evaluate_release(
    release: Release,
    cases: Sequence[Case],
    log: Log,
    mask: Iterable[str],
    ks: tuple[int, ...],
    progress: Progress = lambda done, of: None,
    intent: str = Intent.DEFAULT,
) -> list[Measured]:
    """Measure `release` on `cases`, histories taken from `log`, slice by slice.

    Under `discovery` only what the customer never touched is right, and nothing else is listed.
    """
    asked = questions(log, cases, mask)
    if intent == Intent.DISCOVERY:
        asked = untouched(asked)
    items = sorted(release.items)
    touched = frozenset(e.item for c in log.customers for e in c.events if e.item)
    lists = {MODEL: release_lists(release, asked, max(ks), progress, intent)}
    return measure(lists, answers(asked, items, touched), len(items), ks, SEED)


def read_truth(path: Path, log: Log, at: datetime | None) -> list[Case]:
    """Read the cases of a truth file; `at` is the moment decisions are made at, where given.

    Raises `BadDataset` naming file, row and column.
    """
    try:
        frame = pl.read_parquet(path)
    except pl.exceptions.ComputeError as error:
        raise BadDataset(f"{path}: not Parquet: {str(error).splitlines()[0]}") from None
    for name in ("customer", "item"):
        if name not in frame.columns:
            raise BadDataset(f"{path}: column {name}: missing")
    frame = frame.with_columns(pl.col("customer", "item").cast(pl.String))
    timed = log.metadata.kind in ("timed", "mixed")
    befores = _befores(frame, path, timed)
    found: dict[tuple[str, Bound | None], dict[str, None]] = {}
    names = zip(frame["customer"], frame["item"], befores, strict=True)
    for row, (customer, item, before) in enumerate(names, 1):
        if not customer or ":" not in customer:
            raise BadDataset(f"{path}: row {row}: column customer: want namespace:value")
        if not item:
            raise BadDataset(f"{path}: row {row}: column item: empty")
        found.setdefault((customer, before), {})[item] = None
    fallback = _after_everything(log) if timed else None
    keyed = log.metadata.identifiers == "keyed"
    cases = []
    for (customer, before), items in found.items():
        namespace, _, value = customer.partition(":")
        now = fallback
        if at is not None:
            now = microseconds(at) if timed else None
        elif before is not None and before.rank == 1:
            now = before.at
        place = log.customer_of.get(identifier_bytes(namespace, value, keyed))
        cases.append(Case(place, tuple(Target(item, "") for item in items), before, now))
    return cases


def as_json(measured: Sequence[Measured]) -> dict[str, object]:
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


def _befores(frame: pl.DataFrame, path: Path, timed: bool) -> list[Bound | None]:
    if "before" not in frame.columns:
        return [None] * len(frame)
    column = frame["before"]
    if timed:
        if not isinstance(column.dtype, pl.Datetime):
            raise BadDataset(f"{path}: column before: want a timestamp")
        return [None if at is None else Bound(1, at) for at in column.dt.epoch("us")]
    if not column.dtype.is_integer():
        raise BadDataset(f"{path}: column before: want a sequence")
    return [None if at is None else Bound(0, at) for at in column]


def _after_everything(log: Log) -> int:
    times = (e.time for c in log.customers for e in c.events if e.time is not None)
    return max(times, default=0) + SECOND
