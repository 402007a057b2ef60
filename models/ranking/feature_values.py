"""The value that each offer has of a feature, as rules of diversity look at it."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from models.domain.catalogue import Row
from models.numeric.array_types import Mask, Rows


class _Column(NamedTuple):
    """The first value of one feature in every row: its number (rows,), by `numbers`."""

    numbers: dict[str, int]
    rows: Rows


class FeatureValues:
    """Answers for all offers of one catalogue; what it was asked before is kept."""

    def __init__(self, entries: Sequence[Row | None]) -> None:
        """Look at the `entries` (rows,) of the catalogue; None: a row that is nobody's."""
        self._entries = entries
        self._kept: dict[str, dict[int, str]] = {}  # by feature, then row
        self._columns: dict[str, _Column] = {}  # by feature

    def updated(self, entries: Sequence[Row | None], changed: Sequence[int]) -> "FeatureValues":
        """Return the same over later entries, where the features of `changed` rows differ."""
        later = FeatureValues(entries)
        if not changed:
            later._kept, later._columns = self._kept, self._columns
            return later
        for feature, column in list(self._columns.items()):
            numbers, rows = dict(column.numbers), column.rows.copy()
            for row in changed:
                rows[row] = numbers.setdefault(later._first(row, feature), len(numbers))
            later._columns[feature] = _Column(numbers, rows)
        return later

    def first(self, row: int, feature: str) -> str:
        """Return the first value that the offer, or item, in `row` has of a feature; "" without."""
        kept = self._kept.setdefault(feature, {})
        value = kept.get(row)
        if value is None:
            value = kept[row] = self._first(row, feature)
        return value

    def among(self, feature: str, values: Collection[str]) -> Mask:
        """Return which rows have one of `values` first of a feature; "" is that of none."""
        column = self._columns.get(feature)
        if column is None:
            column = self._columns[feature] = self._column(feature)
        wanted = np.zeros(len(column.numbers), np.bool_)
        wanted[[column.numbers[value] for value in values if value in column.numbers]] = True
        found: Mask = wanted[column.rows]
        return found

    def _column(self, feature: str) -> _Column:
        numbers: dict[str, int] = {}
        rows = [numbers.setdefault(_value(entry, feature), len(numbers)) for entry in self._entries]
        return _Column(numbers, np.array(rows, np.int64))

    def _first(self, row: int, feature: str) -> str:
        return _value(self._entries[row], feature)


def _value(entry: Row | None, feature: str) -> str:
    return "" if entry is None else next(iter(entry.features.get(feature, ())), "")
