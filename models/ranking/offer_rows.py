"""Which offer stands in which row: all arrays over a catalogue are in the order of these numbers.

Default offers of items come first, so that the row of an item and of its offer are the same number.
Behind the items, and behind the explicit offers, a few rows are vacant: what is new is put there,
and so is what changes so much that its old row cannot stand for it. All states of a catalogue share
one table of ids. A state never looks at rows that were taken after it.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import Catalogue, Row
from models.domain.names import DEFAULT_PREFIX
from models.domain.string_table import StringTable
from models.numeric.array_file import Arrays
from models.numeric.array_types import Mask
from models.ranking.row_ids import IdsByRow, RowIds
from models.recommender.vector_search import Allowed, allow

_RANKS = 1 << 61  # tie ranks are spread over so many: there is room between those of neighbours
_FEW = 1 << 16


class OfferRows:
    """The offers of a catalogue by row; immutable.

    Rows 0 to `item_count` - 1 are those of items and their default offers, the rows after them
    those of explicit offers, each over one item or several. `ids` are the ids of all offers by row,
    `item_ids` those of the items. `tie_ranks` (rows,) are in the order of the ids: of equal scores
    the lesser stands first. `items` and `sets` are how many items and explicit offers there are;
    `items_taken` and `sets_taken` how many rows are not vacant.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._set(catalogue)
        self.tie_ranks = np.zeros(len(self), np.int64)
        self._rank_anew()

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], catalogue: Catalogue) -> "OfferRows":
        """Return the rows of a catalogue whose `arrays` these are."""
        rows = cls.__new__(cls)
        rows._set(catalogue)
        rows.tie_ranks = arrays["tie_ranks"]
        return rows

    def arrays(self) -> Arrays:
        """Return all that the rows are made of but the ids, which are the catalogue's.

        None may have been taken since they were made.
        """
        assert not self._newer, "rows are to be made anew first"
        return {"tie_ranks": self.tie_ranks}

    def _set(self, catalogue: Catalogue) -> None:
        table = RowIds(_table(catalogue.item_ids), _table(catalogue.offer_ids))
        self._table = table
        self.item_count = table.item_count
        self.ids = IdsByRow(table.item_count + table.set_count, table.offer_id)
        self.item_ids = IdsByRow(table.item_count, table.item_id)
        self.items_taken, self.sets_taken = self.items, self.sets = table.taken
        self._newer: list[str] = []  # ids that are not in the order of the table, sorted
        self._gap = _RANKS // max(self.items + self.sets, _FEW)

    def __len__(self) -> int:
        return len(self.ids)

    def row_of(self, offer_id: str) -> int | None:
        """Return the row of an offer, or None where the catalogue does not have it."""
        return self._taken(self._table.row_of(offer_id))

    @property
    def some_moved(self) -> bool:
        """Tell whether somebody has moved to another row, now or at a later state."""
        return bool(self._table.earlier)

    def row_of_item(self, item_id: str) -> int | None:
        """Return the row of an item, or None where the catalogue does not have it."""
        return self._taken(self._table.row_of_item(item_id))

    def allow(self, mask: Mask) -> Allowed:
        """Return what `mask` (rows,) allows a search among the items."""
        return allow(mask, self.item_count, self.items)

    def entries(self, catalogue: Catalogue) -> "Entries":
        """Return what `catalogue`, whose rows these are, says of each row."""
        return Entries(catalogue, self)

    def taking(self, item_ids: Sequence[str], set_ids: Sequence[str]) -> "OfferRows | None":
        """Return these rows with vacant ones taken for items and explicit offers, in their order.

        Who has a row already moves to the new one. None where too few are vacant, or another state
        has taken them.
        """
        table = self._table
        taken = self.items_taken + len(item_ids), self.sets_taken + len(set_ids)
        if taken[0] > table.item_count or taken[1] > table.set_count:
            return None
        claim = object()
        if table.claims.setdefault((self.items_taken, self.sets_taken), claim) is not claim:
            return None
        later = OfferRows.__new__(OfferRows)
        later.__dict__.update(self.__dict__)
        later.items_taken, later.sets_taken = taken
        later._newer = list(self._newer)
        new: list[tuple[str, int]] = []
        new += [(DEFAULT_PREFIX + item, row) for row, item in enumerate(item_ids, self.items_taken)]
        new += [(name, row) for row, name in enumerate(set_ids, self.item_count + self.sets_taken)]
        for name, row in new:
            later._take(name, row)
        return later

    def _take(self, name: str, row: int) -> None:
        table = self._table
        before = table.add(row, name)
        if before is not None:
            self.tie_ranks[row] = self.tie_ranks[before]
        # The rank and the row before are in place when the new one can be found.
        table.find(row, name)
        if before is None:
            self.items += row < self.item_count
            self.sets += row >= self.item_count
            self._rank(name, row)

    def _rank(self, name: str, row: int) -> None:
        """Give a new id its rank, between those of its neighbours."""
        table = self._table
        below: int | None = None
        above: int | None = None
        ordered: tuple[tuple[Sequence[str], Callable[[str], str]], ...] = (
            (table.items, DEFAULT_PREFIX.__add__),
            (table.sets, str),
            (self._newer, str),
        )
        for ids, told in ordered:
            at = bisect_left(ids, name, key=told)
            if at > 0:
                rank = self._rank_of(told(ids[at - 1]))
                below = rank if below is None else max(below, rank)
            if at < len(ids):
                rank = self._rank_of(told(ids[at]))
                above = rank if above is None else min(above, rank)
        insort(self._newer, name)
        if below is None:
            found = 0 if above is None else above - self._gap
        elif above is None:
            found = below + self._gap
        else:
            # Ids often arrive in ascending order: what is left goes above rather than below.
            found = below + min((above - below) // 2, self._gap >> 16)
        if found in (below, above) or abs(found) >= 2**62:
            self._rank_anew()
        else:
            self.tie_ranks[row] = found

    def _rank_of(self, name: str) -> int:
        row = self._table.row_of(name)
        assert row is not None, "every id in order has a row"
        return int(self.tie_ranks[row])

    def _rank_anew(self) -> None:
        """Rank all ids, in an array of their own: states before this one go on with theirs."""
        table = self._table
        names = [*map(DEFAULT_PREFIX.__add__, table.items), *table.sets, *self._newer]
        first = self.item_count
        found: Iterable[int | None] = chain(
            range(len(table.items)),
            range(first, first + len(table.sets)),
            map(table.row_of, self._newer),
        )
        # Whoever has moved has the rank of its newest row.
        if table.earlier:
            found = map(table.row_of, names)
        row_of = np.fromiter(found, np.int64, len(names))
        ranks = np.zeros(len(self.ids), np.int64)
        rows = row_of[sorted(range(len(names)), key=names.__getitem__)]
        self._gap = _RANKS // max(len(names), _FEW)
        ranks[rows] = np.arange(len(names)) * self._gap
        self.tie_ranks = ranks

    def _taken(self, row: int | None) -> int | None:
        """Return the row, or the one that its offer had at this state; None: not in it."""
        while row is not None:
            if row < self.items_taken or 0 <= row - self.item_count < self.sets_taken:
                return row
            row = self._table.earlier.get(row)
        return None


class Entries(Sequence[Row | None]):
    """What a catalogue says of each row of its index: None where the row is nobody's."""

    def __init__(self, catalogue: Catalogue, rows: OfferRows) -> None:
        self._catalogue = catalogue
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row):  # type: ignore[no-untyped-def]
        name = self._rows.ids[row]
        if not name or self._rows.row_of(name) != row:
            return None
        return self._catalogue.row(name)

    def __iter__(self) -> Iterator[Row | None]:
        rows, catalogue = self._rows, self._catalogue
        if rows.some_moved:
            return map(self.__getitem__, range(len(self)))
        # Whoever has a row has one alone, and of what came later the catalogue knows nothing.
        table = rows._table
        taken, first = table.taken, rows.item_count
        return chain(
            catalogue.items.in_order_of(table.items),
            map(self.__getitem__, range(taken[0], first)),
            catalogue.offers.in_order_of(table.sets),
            map(self.__getitem__, range(first + taken[1], len(rows))),
        )


def _table(ids: Sequence[str]) -> StringTable:
    return ids if isinstance(ids, StringTable) else StringTable(ids)
