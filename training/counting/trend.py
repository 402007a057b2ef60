"""Trend: how each item's share of the latest target events differs from its share of all time.

A season moves an item's share tenfold within days, which tables over years do not show. The latest
target events of all customers together are shrunk to the shares of all time. They are counted
again every so many target events, as releases would be, and a moment sees the last count before it.
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
from models.recommender.features_of_item import TREND
from training.log.event_log import Log
from training.log.order import Bound, bound_of, is_dated, ordered_across_customers

SHRINK = 100.0  # pseudo-events with the shares of all time, added to the latest

_Many = Annotated[int, msgspec.Meta(ge=1)]


class TrendConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From how many of the latest target events of all customers an item's share is counted.

    There are three such shares, of the latest `shortest`, `middle` and `longest` events: the fewer,
    the quicker and the noisier. They are counted again every `every` target events. The trees learn
    from that, but a release holds the last count only and follows the trend if it is renewed as
    often; what that would be worth is measured separately. Data without an order over the customers
    has no trend.
    """

    shortest: _Many = 75
    middle: _Many = 225
    longest: _Many = 750
    every: _Many = 300


class Trend:
    """The features `TREND` of items, at any moment of a log that is ordered over its customers."""

    def __init__(
        self, log: Log, targets: Iterable[str], items: Sequence[str], config: TrendConfig
    ) -> None:
        """Take the dated target events of `log`, in order.

        Raises `BadDataset` where the log has no order over its customers.
        """
        if not ordered_across_customers(log):
            raise BadDataset("events.parquet: no order over the customers: no trend")
        types = frozenset(targets)
        row_of = {item: row for row, item in enumerate(items)}
        target_events = []
        for customer in log.customers:
            bought = [
                (bound_of(event), row_of[event.item])
                for event in customer.events
                if event.type in types and event.item in row_of and is_dated(event)
            ]
            sizes = Counter(bound for bound, _ in bought)
            target_events += [(bound, row, 1.0 / sizes[bound]) for bound, row in bought]
        target_events.sort()
        self._bounds = [bound for bound, _, _ in target_events]
        self._rows = np.array([row for _, row, _ in target_events], np.int64)
        self._parts = np.array(
            [part for _, _, part in target_events], np.float64
        )  # 1 / events at that moment
        self._items = len(items)
        self._config = config
        self._counted: dict[int, Floats] = {}

    def at(self, moment: Bound | None) -> Floats:
        """Return (items, TREND) of the last count before `moment`; None is after all events."""
        before = len(self._bounds)
        if moment is not None:
            before = bisect_left(self._bounds, moment) // self._config.every * self._config.every
        trend = self._counted.get(before)
        if trend is None:
            trend = self._counted[before] = self._count(before)
        return trend

    def _count(self, before: int) -> Floats:
        rows = self._rows[:before]
        ever = self._shares(rows, None)
        basket_shares = self._shares(rows, self._parts[:before])
        columns = [np.log(basket_shares / ever)]
        for latest in (self._config.shortest, self._config.middle, self._config.longest):
            recent = np.bincount(rows[-latest:], minlength=self._items)
            shares = (recent + SHRINK * ever) / (recent.sum() + SHRINK)
            columns.append(np.log(shares / ever))
        assert len(columns) == len(TREND)
        return np.stack(columns, axis=1).astype(np.float32)

    def _shares(
        self, rows: NDArray[np.int64], weights: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        counts = np.bincount(rows, weights, self._items) + 1.0 / self._items
        shares: NDArray[np.float64] = counts / counts.sum()
        return shares


def with_trend(item_features: Floats, trend: Floats) -> Floats:
    """Return `item_features` (items, ITEM_FEATURES) with `trend` as the last columns (TREND)."""
    return np.hstack([item_features[:, : -len(TREND)], trend])
