"""Which rows of a catalogue have a price, a value or a margin within bounds.

A number is compared as two: so many times 10^9, and the rest. int64 holds amounts of 9 digits after
the point no further than 9 * 10^9 units.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from models.domain.amounts import NANOS, SHARE, bare_amount, bare_margin, least, most
from models.domain.catalogue import Row
from models.domain.exchange import Exchange
from models.numeric.array_types import Mask

_LARGEST = 2**62 * NANOS  # what is larger counts as this


class Column(Protocol):
    """A number of each row (rows,), some of them unknown."""

    def at_least(self, bound: float) -> Mask:
        """Return the rows (rows,) whose number is known and at least `bound`."""

    def at_most(self, bound: float) -> Mask:
        """Return the rows (rows,) whose number is known and at most `bound`."""


class ExactColumn:
    """Whole numbers of `parts` of a unit, None where not known; bounds are in units."""

    def __init__(self, numbers: Iterable[int | None], parts: int) -> None:
        numbers = list(numbers)
        self._parts = parts
        self._known = np.array([number is not None for number in numbers], np.bool_)
        pairs = [_pair(number or 0) for number in numbers]
        self._high, self._low = np.array(pairs, np.int64).reshape(-1, 2).T

    def at_least(self, bound: float) -> Mask:
        """Return the rows (rows,) whose number is known and at least `bound`."""
        high, low = _pair(least(bound, self._parts))
        reached = (self._high > high) | ((self._high == high) & (self._low >= low))
        found: Mask = self._known & reached
        return found

    def at_most(self, bound: float) -> Mask:
        """Return the rows (rows,) whose number is known and at most `bound`."""
        high, low = _pair(most(bound, self._parts))
        within = (self._high < high) | ((self._high == high) & (self._low <= low))
        found: Mask = self._known & within
        return found


class BareColumn:
    """Floats, NaN where not known, compared whatever their currency."""

    def __init__(self, numbers: Iterable[float]) -> None:
        self._numbers = np.array(list(numbers), np.float64)

    def at_least(self, bound: float) -> Mask:
        """Return the rows (rows,) whose number is known and at least `bound`."""
        found: Mask = self._numbers >= bound
        return found

    def at_most(self, bound: float) -> Mask:
        """Return the rows (rows,) whose number is known and at most `bound`."""
        found: Mask = self._numbers <= bound
        return found


class AmountMasks:
    """Prices, values and margins of `rows`, each compared in the currency of `exchange`."""

    def __init__(self, rows: Sequence[Row], exchange: Exchange) -> None:
        self.exchange = exchange
        self._rows = rows

    @cached_property
    def prices(self) -> Column:
        """Return the prices."""
        if self.exchange.bare:
            return BareColumn(bare_amount(row.price) for row in self._rows)
        return ExactColumn((self.exchange.nanos(row.price) for row in self._rows), NANOS)

    @cached_property
    def values(self) -> Column:
        """Return the values."""
        if self.exchange.bare:
            return BareColumn(bare_amount(row.value) for row in self._rows)
        return ExactColumn((self.exchange.nanos(row.value) for row in self._rows), NANOS)

    @cached_property
    def margins(self) -> Column:
        """Return the values as shares of the prices."""
        if self.exchange.bare:
            return BareColumn(bare_margin(row) for row in self._rows)
        return ExactColumn((self.exchange.margin(row) for row in self._rows), SHARE)


def _pair(number: int) -> tuple[int, int]:
    return divmod(max(-_LARGEST, min(number, _LARGEST)), NANOS)
