"""Which rows of a catalogue have a price, a value or a margin within bounds.

A number is compared as two: so many times 10^9, and the rest. int64 holds amounts of 9 digits after
the point no further than 9 * 10^9 units.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.domain.amounts import NANOS, SHARE, bare_amount, bare_margin, least, most
from models.domain.catalogue import Money, Row
from models.domain.exchange import Exchange
from models.domain.row_changes import RowChange
from models.numeric.array_types import Mask
from models.numeric.patches import patched
from models.policy.amount_columns import AmountColumns, MoneyColumn, amounts_of

_UNITS = 2**62
_LARGEST = _UNITS * NANOS  # what is larger counts as this
_UNKNOWN = (0, 2**62)  # a pair that no number is
_KEPT = 256  # masks of a column
_LATER = 1_024  # numbers that are kept beside a column's arrays before these are copied


class Column(Protocol):
    """A number of each row (rows,), some of them unknown."""

    def at_least(self, bound: float) -> Mask:
        """Return the rows (rows,) whose number is known and at least `bound`."""

    def at_most(self, bound: float) -> Mask:
        """Return the rows (rows,) whose number is known and at most `bound`."""

    def updated(self, numbers: Mapping[int, Any]) -> "Column":
        """Return the column with other numbers, of its own kind, at some rows."""


class ExactColumn:
    """Whole numbers of `parts` of a unit, None where not known; bounds are in units.

    Masks are kept by their bounds, of which policies have few, and are not to be written to.
    """

    def __init__(self, numbers: Iterable[int | None], parts: int) -> None:
        self._parts = parts
        self._kept: dict[tuple[bool, float], Mask] = {}
        self._later: dict[int, tuple[int, int]] = {}  # by row, what is so instead of the arrays
        pairs = [_UNKNOWN if number is None else _pair(number) for number in numbers]
        self._set(
            np.array([high for high, _ in pairs], np.int64),
            np.array([low for _, low in pairs], np.int64),
        )

    @classmethod
    def of_amounts(
        cls, columns: AmountColumns, column: MoneyColumn, exchange: Exchange
    ) -> "ExactColumn":
        """Return the amounts of a column of `columns` in nanos of the currency of `exchange`."""
        found, (currency, units, nanos) = cls((), NANOS), column
        # What most are, and need no arithmetic one by one: an index may have 1,000,000.
        own = currency == columns.number(exchange.currency)
        own &= (units > -_UNITS) & (units < _UNITS)
        high = np.where(own, units, _UNKNOWN[0])
        low = np.where(own, nanos.astype(np.int64), _UNKNOWN[1])
        for row in np.flatnonzero(~own & (currency >= 0)).tolist():
            amount = exchange.nanos(columns.money(column, row))
            if amount is not None:
                high[row], low[row] = _pair(amount)
        found._set(high, low)
        return found

    def at_least(self, bound: float) -> Mask:
        """Return the rows (rows,) whose number is known and at least `bound`."""
        return self._mask(True, bound)

    def at_most(self, bound: float) -> Mask:
        """Return the rows (rows,) whose number is known and at most `bound`."""
        return self._mask(False, bound)

    def updated(self, numbers: Mapping[int, int | None]) -> "ExactColumn":
        """Return the column with other numbers at some rows, for the price of these."""
        later = copy(self)
        pairs = {row: _UNKNOWN if n is None else _pair(n) for row, n in numbers.items()}
        later._later = {**self._later, **pairs}
        if len(later._later) > _LATER:
            rows = list(later._later)
            later._high = patched(self._high, rows, [later._later[row][0] for row in rows])
            later._low = patched(self._low, rows, [later._later[row][1] for row in rows])
            later._known = later._low != _UNKNOWN[1]
            later._later = {}
        later._kept = {
            key: patched(mask, list(pairs), [self._reaches(pair, *key) for pair in pairs.values()])
            for key, mask in list(self._kept.items())
        }
        return later

    def _mask(self, least_: bool, bound: float) -> Mask:
        kept = self._kept.get((least_, bound))
        if kept is None:
            high, low = self._bound(least_, bound)
            if least_:
                kept = (self._high > high) | ((self._high == high) & (self._low >= low))
            else:
                kept = (self._high < high) | ((self._high == high) & (self._low <= low))
            kept &= self._known
            for row, pair in self._later.items():
                kept[row] = self._reaches(pair, least_, bound)
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[least_, bound] = kept
        return kept

    def _bound(self, least_: bool, bound: float) -> tuple[int, int]:
        return _pair(least(bound, self._parts) if least_ else most(bound, self._parts))

    def _reaches(self, pair: tuple[int, int], least_: bool, bound: float) -> bool:
        """Tell whether one number is known and within a bound."""
        limit = self._bound(least_, bound)
        return pair != _UNKNOWN and (pair >= limit if least_ else pair <= limit)

    def _set(self, high: NDArray[np.int64], low: NDArray[np.int64]) -> None:
        self._high, self._low = high, low
        self._known = self._low != _UNKNOWN[1]
        self._high += self._low // NANOS  # of a negative amount, which has both parts negative
        self._low %= NANOS


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

    def updated(self, numbers: Mapping[int, float]) -> "BareColumn":
        """Return the column with other numbers at some rows."""
        later = BareColumn(())
        later._numbers = patched(self._numbers, list(numbers), list(numbers.values()))
        return later


class AmountMasks:
    """Prices, values and margins of `rows`, each compared in the currency of `exchange`.

    `columns` are the prices and values of the rows.
    """

    def __init__(
        self, rows: Sequence[Row | None], columns: AmountColumns, exchange: Exchange
    ) -> None:
        self.exchange = exchange
        self._rows = rows
        self._columns = columns

    def updated(
        self, changes: Iterable[RowChange], rows: Sequence[Row | None], columns: AmountColumns
    ) -> "AmountMasks":
        """Return the same after changes of rows."""
        later = AmountMasks(rows, columns, self.exchange)
        after = {
            change.row: change.after
            for change in changes
            if amounts_of(change.before) != amounts_of(change.after)
        }
        for name in ("prices", "values", "margins"):
            column: Column | None = self.__dict__.get(name)
            if column is not None:
                number = getattr(later, f"_{name[:-1]}")
                numbers = {row: number(entry) for row, entry in after.items()}
                later.__dict__[name] = column.updated(numbers) if numbers else column
        return later

    @cached_property
    def prices(self) -> Column:
        """Return the prices."""
        return self._column(self._price, self._columns.prices)

    @cached_property
    def values(self) -> Column:
        """Return the values."""
        return self._column(self._value, self._columns.values)

    @cached_property
    def margins(self) -> Column:
        """Return the values as shares of the prices."""
        if self.exchange.bare:
            return BareColumn([self._margin(row) for row in self._rows])
        return ExactColumn([self._margin(row) for row in self._rows], SHARE)

    def _column(self, number: Callable[[Row | None], Any], column: MoneyColumn) -> Column:
        if self.exchange.bare:
            return BareColumn(map(number, self._rows))
        found = ExactColumn.of_amounts(self._columns, column, self.exchange)
        changed = {row: number(self._rows[row]) for row in self._columns.changed}
        return found.updated(changed) if changed else found

    def _price(self, row: Row | None) -> float | int | None:
        return self._amount(None if row is None else row.price)

    def _value(self, row: Row | None) -> float | int | None:
        return self._amount(None if row is None else row.value)

    def _amount(self, money: Money | None) -> float | int | None:
        return bare_amount(money) if self.exchange.bare else self.exchange.nanos(money)

    def _margin(self, row: Row | None) -> Any:
        if row is None:
            return math.nan if self.exchange.bare else None
        return bare_margin(row) if self.exchange.bare else self.exchange.margin(row)


def _pair(number: int) -> tuple[int, int]:
    return divmod(max(-_LARGEST, min(number, _LARGEST)), NANOS)
