"""Trend: what everybody turned to lately, counted anew from time to time as releases would be.

A season moves an item's share tenfold within days, and tables of years do not see it. The latest
target events of all customers together are shrunk to the shares of all time; a moment sees the
newest count that was made before it, and counts are made every so many target events.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import BadDataset
from models.numeric.array_types import Floats
from models.recommender.ranker_features import TREND
from training.log.event_log import Log
from training.log.order import Bound, bound_of, is_dated, ordered_across_customers

SHRINK = 100.0  # events of all time among the latest

_Many = Annotated[int, msgspec.Meta(ge=1)]


class TrendConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an item's shares of late are counted: from how many target events of all customers.

    There are three such shares, `shortest`, `middle` and `longest`: the fewer events, the quicker
    and the noisier. They are counted anew every `every` target events, which is learnt from, and
    measured apart: a release holds the last count, and follows the trend only if it is renewed as
    often. Data without an order over the customers has no trend.
    """

    shortest: _Many = 75
    middle: _Many = 225
    longest: _Many = 750
    every: _Many = 300


class Trend:
    """What `TREND` says of items at any moment of a log that is ordered over its customers."""

    def __init__(
        self, log: Log, targets: Iterable[str], items: Sequence[str], config: TrendConfig
    ) -> None:
        """Take the dated target events of `log`, in order.

        Raises `BadDataset` where the log has no order over its customers.
        """
        if not ordered_across_customers(log):
            raise BadDataset("events.parquet: no order over the customers: no trend")
        wanted = frozenset(targets)
        row_of = {item: row for row, item in enumerate(items)}
        told = []
        for customer in log.customers:
            bought = [
                (bound_of(event), row_of[event.item])
                for event in customer.events
                if event.type in wanted and event.item in row_of and is_dated(event)
            ]
            sizes = Counter(bound for bound, _ in bought)
            told += [(bound, row, 1.0 / sizes[bound]) for bound, row in bought]
        told.sort()
        self._bounds = [bound for bound, _, _ in told]
        self._rows = np.array([row for _, row, _ in told], np.int64)
        self._parts = np.array([part for _, _, part in told], np.float64)  # of their baskets
        self._items = len(items)
        self._config = config
        self._counted: dict[int, Floats] = {}

    def at(self, moment: Bound | None) -> Floats:
        """Return (items, TREND) as counted last before `moment`; None is after everything."""
        before = len(self._bounds)
        if moment is not None:
            before = bisect_left(self._bounds, moment) // self._config.every * self._config.every
        found = self._counted.get(before)
        if found is None:
            found = self._counted[before] = self._count(before)
        return found

    def _count(self, before: int) -> Floats:
        rows = self._rows[:before]
        ever = self._shares(rows, None)
        once = self._shares(rows, self._parts[:before])
        columns = [np.log(once / ever)]
        for latest in (self._config.shortest, self._config.middle, self._config.longest):
            late = np.bincount(rows[-latest:], minlength=self._items)
            shares = (late + SHRINK * ever) / (late.sum() + SHRINK)
            columns.append(np.log(shares / ever))
        assert len(columns) == len(TREND)
        return np.stack(columns, axis=1).astype(np.float32)

    def _shares(
        self, rows: NDArray[np.int64], weights: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        counts = np.bincount(rows, weights, self._items) + 1.0 / self._items
        found: NDArray[np.float64] = counts / counts.sum()
        return found


def with_trend(item_features: Floats, trend: Floats) -> Floats:
    """Return `facts` (items, FACTS) with `trend` (items, TREND) in them."""
    return np.hstack([item_features[:, : -len(TREND)], trend])
