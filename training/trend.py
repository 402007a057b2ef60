"""Trend: what everybody turned to lately, counted anew from time to time as releases would be.

A season moves an item's share tenfold within days, and tables of years do not see it. The latest
target events of all customers together are shrunk to the shares of all time; a moment sees the
newest count that was made before it, and counts are made every so many target events.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
import numpy as np

from models.errors import BadDataset
from models.past import Floats
from models.segments import Shares
from training.log import Log
from training.popularity import SHRINK
from training.splits import Bound, bound_of, is_dated, ordered_over_all


class TrendConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an item's share of late is counted: from the `latest` target events of all customers.

    It is counted anew every `every` target events, which is learnt from, and measured apart: a
    release holds the last count, and follows the trend only if it is renewed as often. Data without
    an order over the customers has no trend.
    """

    latest: Annotated[int, msgspec.Meta(ge=1)] = 150
    every: Annotated[int, msgspec.Meta(ge=1)] = 300


class Trend:
    """The log shares of items at any moment of a log that is ordered over its customers."""

    def __init__(
        self, log: Log, targets: Iterable[str], items: Sequence[str], config: TrendConfig
    ) -> None:
        """Take the dated target events of `log`, in order.

        Raises `BadDataset` where the log has no order over its customers.
        """
        if not ordered_over_all(log):
            raise BadDataset("events.parquet: no order over the customers: no trend")
        wanted = frozenset(targets)
        row_of = {item: row for row, item in enumerate(items)}
        told = sorted(
            (bound_of(event), row_of[event.item])
            for customer in log.customers
            for event in customer.events
            if event.type in wanted and event.item in row_of and is_dated(event)
        )
        self._bounds = [bound for bound, _ in told]
        self._rows = np.array([row for _, row in told], np.int64)
        self._items = len(items)
        self._config = config
        self._counted: dict[int, Floats] = {}

    def at(self, moment: Bound | None) -> Floats:
        """Return (items,) log shares as counted last before `moment`; None is after everything."""
        before = len(self._bounds)
        if moment is not None:
            before = bisect_left(self._bounds, moment) // self._config.every * self._config.every
        found = self._counted.get(before)
        if found is None:
            found = self._counted[before] = self._count(before)
        return found

    def _count(self, before: int) -> Floats:
        rows = self._rows[:before]
        ever = np.bincount(rows, minlength=self._items) + 1.0 / self._items
        lately = np.bincount(rows[-self._config.latest :], minlength=self._items)
        shares = (lately + SHRINK * ever / ever.sum()) / (lately.sum() + SHRINK)
        logs: Floats = np.log(shares).astype(np.float32)
        return logs


def with_trend(shares: Shares, everybody: Floats) -> Shares:
    """Return `shares` with `everybody` as those of everybody, all segments as far from them."""
    return Shares(shares.row_of, shares.logs + (everybody - shares.logs[0]))
