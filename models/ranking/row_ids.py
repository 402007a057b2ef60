"""The ids of the rows of an index: those that it was made with, packed, and those that came later.

Behind the items, and behind the explicit offers, a few rows are vacant. Rows are added and never
taken away; a state of the catalogue never looks at rows that were taken after it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from models.domain.names import DEFAULT_PREFIX
from models.domain.string_table import StringTable

VACANT_SHARE = 8  # one row is left vacant for so many that are taken


class RowIds:
    """Ids of items and explicit offers by row, and rows by id; shared by all states.

    `item_count` and `set_count` are rows, vacant ones included; `taken` how many were not vacant at
    first. `earlier` is the row that the id of a row had before.
    """

    def __init__(self, items: StringTable, sets: StringTable) -> None:
        self.items, self.sets = items, sets
        self.taken = len(items), len(sets)
        self.item_count = len(items) + len(items) // VACANT_SHARE
        self.set_count = len(sets) + len(sets) // VACANT_SHARE
        self.later: dict[int, str] = {}  # by row: the id of an item, or of an explicit offer
        self.later_row: dict[str, int] = {}  # by the id of an offer, default ones too
        self.earlier: dict[int, int] = {}
        # Which state followed that of so many taken rows: the first that asked.
        self.claims: dict[tuple[int, int], object] = {}

    def row_of(self, offer_id: str) -> int | None:
        """Return the newest row of an offer."""
        if self.later_row and (row := self.later_row.get(offer_id)) is not None:
            return row
        if offer_id.startswith(DEFAULT_PREFIX):
            return self.items.number(offer_id[len(DEFAULT_PREFIX) :])
        number = self.sets.number(offer_id)
        return None if number is None else self.item_count + number

    def row_of_item(self, item_id: str) -> int | None:
        """Return the newest row of an item."""
        if self.later_row and (row := self.later_row.get(DEFAULT_PREFIX + item_id)) is not None:
            return row
        return self.items.number(item_id)

    def add(self, row: int, offer_id: str) -> int | None:
        """Put an offer into a vacant row; return the row that it had before."""
        before = self.row_of(offer_id)
        if before is not None:
            self.earlier[row] = before
        item = row < self.item_count
        self.later[row] = offer_id.removeprefix(DEFAULT_PREFIX) if item else offer_id
        return before

    def find(self, row: int, offer_id: str) -> None:
        """Let an offer be found in its row, once all is in place there."""
        self.later_row[offer_id] = row

    def item_id(self, row: int) -> str:
        """Return the id of the item in a row; "" of a vacant one."""
        return self.items[row] if row < self.taken[0] else self.later.get(row, "")

    def offer_id(self, row: int) -> str:
        """Return the id of the offer in a row; "" of a vacant one."""
        if row < self.taken[0]:
            return DEFAULT_PREFIX + self.items[row]
        number = row - self.item_count
        if 0 <= number < self.taken[1]:
            return self.sets[number]
        found = self.later.get(row, "")
        return DEFAULT_PREFIX + found if found and row < self.item_count else found


class IdsByRow(Sequence[str]):
    """Ids by row, of which `count` there are; `read` returns one."""

    def __init__(self, count: int, read: Callable[[int], str]) -> None:
        self._count = count
        self._read = read

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [*map(self._read, range(*row.indices(self._count)))]
        if not -self._count <= row < self._count:
            raise IndexError(row)
        return self._read(row % self._count)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return map(self._read, range(self._count))
