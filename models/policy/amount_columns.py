"""The prices and values of the rows of an index, as columns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import Money, Row
from models.domain.persistent_map import PersistentMap
from models.domain.row_changes import RowChange
from models.domain.string_table import StringTable
from models.numeric.array_file import Arrays, nested, part

Amounts = tuple[Money | None, Money | None]  # price and value

_NONE = -1  # the currency of no amount


class MoneyColumn(NamedTuple):
    """An amount of each row (rows,): the number of its currency, -1 for none, units and nanos."""

    currency: NDArray[np.int16]
    units: NDArray[np.int64]
    nanos: NDArray[np.int32]


class AmountColumns:
    """The price and the value of each row; immutable. `changed` are those of since, by row."""

    def __init__(self, rows: Sequence[Row | None]) -> None:
        """Look at all `rows`, of which None is nobody's."""
        numbers: dict[str, int] = {}
        prices = _column([None if row is None else row.price for row in rows], numbers)
        values = _column([None if row is None else row.value for row in rows], numbers)
        self._set(StringTable(numbers), prices, values)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "AmountColumns":
        """Return the columns whose `arrays` these are."""
        columns = cls.__new__(cls)
        prices, values = (MoneyColumn(**part(name, arrays)) for name in ("prices", "values"))
        columns._set(StringTable.of_arrays(part("currencies", arrays)), prices, values)
        return columns

    def arrays(self) -> Arrays:
        """Return all that the columns are made of; none may have changed since they were made."""
        assert not self.changed, "columns are to be made anew first"
        return {
            **dict(nested("currencies", self._currencies.arrays())),
            **dict(nested("prices", self.prices._asdict())),
            **dict(nested("values", self.values._asdict())),
        }

    def updated(self, changes: Iterable[RowChange]) -> "AmountColumns":
        """Return the columns after changes of rows, for the price of these."""
        changed = {
            row: amounts_of(after)
            for row, before, after in changes
            if amounts_of(before) != amounts_of(after)
        }
        if not changed:
            return self
        later = AmountColumns.__new__(AmountColumns)
        later.__dict__.update(self.__dict__)
        later.changed = self.changed.updated(changed)
        return later

    def number(self, currency: str) -> int:
        """Return the number of a currency; one that no row has where no amount was in it."""
        number = self._currencies.number(currency)
        return len(self._names) if number is None else number

    def value(self, row: int) -> Money | None:
        """Return the value of a row, None where it has none."""
        if self.changed and (changed := self.changed.get(row)) is not None:
            return changed[1]
        return self.money(self.values, row)

    def money(self, column: MoneyColumn, row: int) -> Money | None:
        """Return the amount of a row of a column, whatever changed since."""
        currency = int(column.currency[row])
        if currency == _NONE:
            return None
        return Money(self._names[currency], int(column.units[row]), int(column.nanos[row]))

    def _set(self, currencies: StringTable, prices: MoneyColumn, values: MoneyColumn) -> None:
        self._currencies, self._names = currencies, list(currencies)
        self.prices, self.values = prices, values
        self.changed: PersistentMap[int, Amounts] = PersistentMap()


def amounts_of(row: Row | None) -> Amounts:
    """Return the price and the value of a row, None of one that is nobody's."""
    return (None, None) if row is None else (row.price, row.value)


def _column(amounts: Sequence[Money | None], numbers: dict[str, int]) -> MoneyColumn:
    found = [
        (_NONE, 0, 0)
        if money is None
        else (numbers.setdefault(money.currency, len(numbers)), money.units, money.nanos)
        for money in amounts
    ]
    currency, units, nanos = zip(*found, strict=True) if found else ((), (), ())
    return MoneyColumn(
        np.array(currency, np.int16), np.array(units, np.int64), np.array(nanos, np.int32)
    )
