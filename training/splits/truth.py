"""Read the cases of a truth file, which stands beside the tables of a dataset.

It is a Parquet file with columns `customer` (any identifier as `namespace:value`), `item`, and
optionally `before`; a case is a distinct (customer, before).
"""

from datetime import datetime
from pathlib import Path

import polars as pl

from models.errors import BadDataset
from training.log.event_log import Log, identifier_bytes, microseconds
from training.log.order import Bound
from training.splits.cases import Case, Target

SECOND = 1_000_000


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
    items_of: dict[tuple[str, Bound | None], dict[str, None]] = {}
    names = zip(frame["customer"], frame["item"], befores, strict=True)
    for row, (customer, item, before) in enumerate(names, 1):
        if not customer or ":" not in customer:
            raise BadDataset(f"{path}: row {row}: column customer: want namespace:value")
        if not item:
            raise BadDataset(f"{path}: row {row}: column item: empty")
        items_of.setdefault((customer, before), {})[item] = None
    fallback = _after_everything(log) if timed else None
    keyed = log.metadata.identifiers == "keyed"
    cases = []
    for (customer, before), items in items_of.items():
        namespace, _, value = customer.partition(":")
        now = fallback
        if at is not None:
            now = microseconds(at) if timed else None
        elif before is not None and before.rank == 1:
            now = before.at
        place = log.customer_of.get(identifier_bytes(namespace, value, keyed))
        cases.append(Case(place, tuple(Target(item, "") for item in items), before, now))
    return cases


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
