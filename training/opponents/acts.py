"""What customers did, as columns: all that an opponent learns from, and all that it is asked by."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.clock_time import DAY
from models.domain.event_types import BROWSE, CART, PURCHASE
from models.domain.events import Event
from training.log.event_log import Log
from training.splits.eval_cases import EvalCase

# What an event of a lane weighs.
WEIGHTS = {BROWSE: 1.0, CART: 2.0, PURCHASE: 4.0}

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Acts:
    """Events about items, as columns (n,), in the order of their rows.

    `row` says whose an event is, of `rows` customers or cases; `item` is one of `items`. `days` is
    how long before the present it was: before the end of what is learnt from, or before the case.
    It is NaN for an event without a time. `weight` is that of its lane, `target` tells whether it
    is of a type that is to be predicted.
    """

    rows: int
    items: int
    row: Ints
    item: Ints
    days: Floats
    weight: Floats
    target: NDArray[np.bool_]

    @property
    def timed(self) -> bool:
        """Tell whether any event has a time."""
        return not bool(np.isnan(self.days).all())

    def decayed(self, half_life: float | None) -> Floats:
        """Return (n,) by how much each event counts at a half-life in days; 1 without one.

        An event without a time counts as the oldest.
        """
        if half_life is None or not self.timed:
            return np.ones(len(self.row))
        days = np.nan_to_num(self.days, nan=float(np.nanmax(self.days)))
        return np.asarray(0.5 ** (np.maximum(days, 0.0) / half_life), np.float64)

    def matrix(self, values: Floats) -> sparse.csr_matrix:
        """Return values (n,), summed by row and item, as a matrix (rows, items)."""
        table = sparse.csr_matrix((values, (self.row, self.item)), (self.rows, self.items))
        table.sum_duplicates()
        table.eliminate_zeros()
        return table

    @cached_property
    def weights(self) -> sparse.csr_matrix:
        """The weights of all events (rows, items)."""
        return self.matrix(self.weight)

    @cached_property
    def targets(self) -> sparse.csr_matrix:
        """The counts of target events (rows, items)."""
        return self.matrix(self.target.astype(np.float64))

    def blocks(self, size: int) -> Iterator["Acts"]:
        """Yield the events of `size` rows after another, their rows counted from 0."""
        for first in range(0, self.rows, size):
            last = min(first + size, self.rows)
            part = slice(*np.searchsorted(self.row, [first, last]).tolist())
            yield Acts(
                last - first,
                self.items,
                self.row[part] - first,
                self.item[part],
                self.days[part],
                self.weight[part],
                self.target[part],
            )


def acts_of_customers(log: Log, targets: Iterable[str], row_of: Mapping[str, int]) -> Acts:
    """Return the events of a log by customer; the present is the time of the last of them."""
    types = frozenset(targets)
    end = max(
        (e.time for customer in log.customers for e in customer.events if e.time is not None),
        default=None,
    )
    events = ((customer.events, end) for customer in log.customers)
    return _acts(log, events, len(log.customers), types, row_of)


def acts_of_cases(
    log: Log, eval_cases: Sequence[EvalCase], targets: Iterable[str], row_of: Mapping[str, int]
) -> Acts:
    """Return what is known of each case, by its index."""
    events = ((eval_case.events, eval_case.case.now) for eval_case in eval_cases)
    return _acts(log, events, len(eval_cases), frozenset(targets), row_of)


def _acts(
    log: Log,
    events: Iterable[tuple[Sequence[Event], int | None]],
    rows: int,
    types: frozenset[str],
    row_of: Mapping[str, int],
) -> Acts:
    weight_of = {name: WEIGHTS.get(like.lane, 0.0) for name, like in log.event_types.items()}
    row: list[int] = []
    item: list[int] = []
    days: list[float] = []
    weight: list[float] = []
    target: list[bool] = []
    for at, (found, now) in enumerate(events):
        for event in found:
            place = row_of.get(event.item)
            if place is None:
                continue
            row.append(at)
            item.append(place)
            known = now is not None and event.time is not None
            days.append((now - event.time) / DAY if known else np.nan)  # type: ignore[operator]
            weight.append(weight_of[event.type])
            target.append(event.type in types)
    return Acts(
        rows,
        len(row_of),
        np.array(row, np.int64),
        np.array(item, np.int64),
        np.array(days, np.float64),
        np.array(weight, np.float64),
        np.array(target, np.bool_),
    )
