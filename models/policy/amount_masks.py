"""Which rows of a catalogue have a price, a value or a margin within bounds.

A number is compared as two: so many times 10^9, and the rest. int64 holds amounts of 9 digits after
the point no further than 9 * 10^9 units.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from models.domain.amounts import NANOS, SHARE, bare_amount, bare_margin, least, most
from models.domain.catalogue import Money, Row
from models.domain.exchange import Exchange
from models.numeric.array_types import Mask

_UNITS = 2**62
_LARGEST = _UNITS * NANOS  # what is larger counts as this
_UNKNOWN = (0, 2**62)  # a pair that no number is
_KEPT = 256  # masks of a column


class Column(Protocol):
    """A number of each row (rows,), some of them unknown."""

    def at_least(self, bound: float) -> Mask:
        """Return the rows (rows,) whose number is known and at least `bound`."""

    def at_most(self, bound: float) -> Mask:
        """Return the rows (rows,) whose number is known and at most `bound`."""


class ExactColumn:
    """Whole numbers of `parts` of a unit, None where not known; bounds are in units.

    Masks are kept by their bounds, of which policies have few, and are not to be written to.
    """

    def __init__(self, numbers: Iterable[int | None], parts: int) -> None:
        self._parts = parts
        self._kept: dict[tuple[bool, float], Mask] = {}
        pairs = [_UNKNOWN if number is None else _pair(number) for number in numbers]
        self._set([high for high, _ in pairs], [low for _, low in pairs])

    @classmethod
    def of_amounts(cls, amounts: Iterable[Money | None], exchange: Exchange) -> "ExactColumn":
        """Return amounts in nanos of the currency of `exchange`."""
        found, own = cls((), NANOS), exchange.currency
        high, low = [], []
        for money in amounts:
            # What most are, and need no arithmetic one by one: an index may have 100,000.
            if money is not None and money.currency == own and -_UNITS < money.units < _UNITS:
                high.append(money.units)
                low.append(money.nanos)
            else:
                nanos = exchange.nanos(money)
                pair = _UNKNOWN if nanos is None else _pair(nanos)
                high.append(pair[0])
                low.append(pair[1])
        found._set(high, low)
        return found

    def at_least(self, bound: float) -> Mask:
        """Return the rows (rows,) whose number is known and at least `bound`."""
        kept = self._kept.get((True, bound))
        if kept is None:
            high, low = _pair(least(bound, self._parts))
            reached = (self._high > high) | ((self._high == high) & (self._low >= low))
            kept = self._keep((True, bound), reached)
        return kept

    def at_most(self, bound: float) -> Mask:
        """Return the rows (rows,) whose number is known and at most `bound`."""
        kept = self._kept.get((False, bound))
        if kept is None:
            high, low = _pair(most(bound, self._parts))
            within = (self._high < high) | ((self._high == high) & (self._low <= low))
            kept = self._keep((False, bound), within)
        return kept

    def _set(self, high: list[int], low: list[int]) -> None:
        self._high, self._low = np.array(high, np.int64), np.array(low, np.int64)
        self._known = self._low != _UNKNOWN[1]
        self._high += self._low // NANOS  # of a negative amount, which has both parts negative
        self._low %= NANOS

    def _keep(self, key: tuple[bool, float], mask: Mask) -> Mask:
        mask &= self._known
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        self._kept[key] = mask
        return mask


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
        return ExactColumn.of_amounts((row.price for row in self._rows), self.exchange)

    @cached_property
    def values(self) -> Column:
        """Return the values."""
        if self.exchange.bare:
            return BareColumn(bare_amount(row.value) for row in self._rows)
        return ExactColumn.of_amounts((row.value for row in self._rows), self.exchange)

    @cached_property
    def margins(self) -> Column:
        """Return the values as shares of the prices."""
        if self.exchange.bare:
            return BareColumn(bare_margin(row) for row in self._rows)
        return ExactColumn((self.exchange.margin(row) for row in self._rows), SHARE)


def _pair(number: int) -> tuple[int, int]:
    return divmod(max(-_LARGEST, min(number, _LARGEST)), NANOS)
