"""Which items an offer is over: it is placed, scored and in stock by these."""

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from itertools import accumulate, chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import Catalogue
from models.domain.string_table import StringTable
from models.numeric.array_file import Arrays, nested, part
from models.numeric.array_types import Mask, Rows
from models.ranking.offer_rows import OfferRows

MEMBERS_LIMIT = 64  # an offer over more items is judged by so many of its most popular ones


class OfferMembers:
    """The member items of every explicit offer; immutable.

    Those of the s-th explicit offer are `rows[starts[s] : starts[s + 1]]`, item rows in the order
    of their ids; there are none where the catalogue has none of its items.
    """

    def __init__(
        self, catalogue: Catalogue, offers: OfferRows, weights: NDArray[np.float32]
    ) -> None:
        """Find the members; `weights` (items,) grow with popularity."""
        self._item_count = offers.item_count
        self._sets = 0
        self.starts = np.zeros(len(offers) - offers.item_count + 1, np.int64)
        self.rows = np.empty(0, np.int64)
        named = self._add(catalogue, offers, weights, 0)
        ends = np.fromiter(accumulate(map(len, named.values()), initial=0), np.int64)
        naming = np.fromiter(chain.from_iterable(named.values()), np.int64, int(ends[-1]))
        self._name(offers, StringTable(named), naming, ends)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], offers: OfferRows) -> "OfferMembers":
        """Return the members of the explicit offers of `offers` whose `arrays` these are."""
        found = cls.__new__(cls)
        found._item_count, found._sets = offers.item_count, offers.sets_taken
        found.starts, found.rows = arrays["starts"], arrays["rows"]
        named = StringTable.of_arrays(part("named", arrays))
        found._name(offers, named, arrays["naming"], arrays["naming_ends"])
        return found

    def arrays(self) -> Arrays:
        """Return all that is known; no offer may have come since it was made."""
        assert not self._named_later, "members are to be made anew first"
        return {
            "starts": self.starts,
            "rows": self.rows,
            "naming": self._naming,
            "naming_ends": self._naming_ends,
            **dict(nested("named", self._named.arrays())),
        }

    def _name(self, offers: OfferRows, named: StringTable, naming: Rows, naming_ends: Rows) -> None:
        """Take over which offers name an item, by their rows: it may be known only from them."""
        self._ids = offers.ids
        self._named, self._naming, self._naming_ends = named, naming, naming_ends
        self._named_later: dict[str, list[int]] = {}  # the same of offers that came since

    def taking(
        self, catalogue: Catalogue, offers: OfferRows, weights: NDArray[np.float32], since: int
    ) -> "OfferMembers":
        """Return the same with the explicit offers of `offers` from number `since` on."""
        if offers.sets_taken == since:
            return self
        later = copy(self)
        for item, rows in later._add(catalogue, offers, weights, since).items():
            self._named_later.setdefault(item, []).extend(rows)
        return later

    def of(self, row: int) -> Rows:
        """Return the item rows that the offer in `row` is valid for (at most 64), by their ids."""
        if row < self._item_count:
            return np.array([row], np.int64)
        return self.of_set(row - self._item_count)

    def of_set(self, number: int) -> Rows:
        """Return the item rows of the explicit offer of that number, in the order of their ids."""
        return self.rows[self.starts[number] : self.starts[number + 1]]

    def sets_with(self, items: Mask) -> Mask:
        """Return which explicit offers (sets,) are over at least one of `items` (items,)."""
        before = np.concatenate([[0], np.cumsum(items[self.rows])])
        ends = before[self.starts[: self._sets + 1]]
        found = np.zeros(len(self.starts) - 1, np.bool_)
        found[: self._sets] = ends[1:] > ends[:-1]
        return found

    def naming(self, item_id: str) -> Sequence[str]:
        """Return the ids of the offers that name an item, and of some that once did."""
        rows = self._named_later.get(item_id, [])
        number = self._named.number(item_id)
        if number is not None:
            first, end = self._naming_ends[number : number + 2]
            rows = [*self._naming[first:end].tolist(), *rows]
        return tuple(dict.fromkeys(map(self._ids.__getitem__, rows)))

    def _add(
        self, catalogue: Catalogue, offers: OfferRows, weights: NDArray[np.float32], since: int
    ) -> dict[str, list[int]]:
        """Add explicit offers from number `since` on; return by item the rows that name it."""
        members: list[Rows] = []
        naming: dict[str, list[int]] = {}
        first = self._item_count + since
        names = offers.ids[first : self._item_count + offers.sets_taken]
        for row, name in enumerate(names, first):
            items = catalogue.offers[name].items
            found = {offers.row_of_item(item) for item in items} - {None}
            members.append(
                top_members([row for row in found if row is not None], weights, offers.tie_ranks)
            )
            for item in items:
                naming.setdefault(item, []).append(row)
        self._sets = offers.sets_taken
        ends = np.cumsum([self.starts[since], *map(len, members)])
        # Behind the starts that others look at.
        self.starts[since : since + len(ends)] = ends
        self.rows = np.concatenate([self.rows, *members])
        return naming


def top_members(rows: Collection[int], weights: NDArray[np.float32], tie_ranks: Rows) -> Rows:
    """Return the item rows, in order of their ids, that an offer over `rows` is judged by.

    They are the most popular: `weights` (items,) grow with popularity; of equal ones the first by
    `tie_ranks` count.
    """
    ordered = sorted(rows, key=lambda row: (-float(weights[row]), tie_ranks[row]))
    return np.array(sorted(ordered[:MEMBERS_LIMIT], key=tie_ranks.__getitem__), np.int64)
