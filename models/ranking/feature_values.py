"""The value that each offer has of a feature, as rules of diversity look at it."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import Row
from models.numeric.array_types import Mask
from models.policy.row_terms import FEATURE, RowTerms


class _Column(NamedTuple):
    """The first value of one feature in every row: its number (rows,), by `numbers`.

    `values` are in the order of their numbers; "", the first, is that of rows that have none.
    """

    numbers: dict[str, int]
    values: Sequence[str]
    rows: NDArray[np.int32]


class FeatureValues:
    """Answers for all offers of one catalogue; what it was asked before is kept."""

    def __init__(self, entries: Sequence[Row | None], terms: RowTerms) -> None:
        """Look at the `entries` (rows,) of the catalogue, and their terms."""
        self._entries = entries
        self._terms = terms
        self._columns: dict[str, _Column] = {}  # by feature

    def updated(
        self, entries: Sequence[Row | None], terms: RowTerms, changed: Sequence[int]
    ) -> "FeatureValues":
        """Return the same over later entries, where the features of `changed` rows differ."""
        later = FeatureValues(entries, terms)
        if not changed:
            later._columns = self._columns
            return later
        for feature, column in list(self._columns.items()):
            numbers, rows = dict(column.numbers), column.rows.copy()
            for row in changed:
                rows[row] = numbers.setdefault(_value(entries[row], feature), len(numbers))
            later._columns[feature] = _Column(numbers, list(numbers), rows)
        return later

    def first(self, row: int, feature: str) -> str:
        """Return the first value that the offer, or item, in `row` has of a feature; "" without."""
        column = self._column(feature)
        return column.values[int(column.rows[row])]

    def among(self, feature: str, values: Collection[str]) -> Mask:
        """Return which rows have one of `values` first of a feature; "" is that of none."""
        column = self._column(feature)
        wanted = np.zeros(len(column.numbers), np.bool_)
        wanted[[column.numbers[value] for value in values if value in column.numbers]] = True
        found: Mask = wanted[column.rows]
        return found

    def _column(self, feature: str) -> _Column:
        column = self._columns.get(feature)
        if column is None:
            column = self._columns[feature] = self._made(feature)
        return column

    def _made(self, feature: str) -> _Column:
        numbers = {"": 0}
        rows = np.zeros(len(self._entries), np.int32)
        values = np.zeros(len(self._entries), np.int8)  # how many a row has: none, one or several
        for value in self._terms.values(FEATURE + feature):
            having = self._terms.rows(FEATURE + feature, value)
            rows[having] = numbers.setdefault(value, len(numbers))
            values[having] = np.minimum(values[having], 1) + 1
        # Terms do not tell which of several is the first.
        for row in np.flatnonzero(values > 1).tolist():
            rows[row] = numbers[_value(self._entries[row], feature)]
        return _Column(numbers, list(numbers), rows)


def _value(entry: Row | None, feature: str) -> str:
    return "" if entry is None else next(iter(entry.features.get(feature, ())), "")
