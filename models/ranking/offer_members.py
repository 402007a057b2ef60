"""Which items an offer is over: it is placed, scored and in stock by these."""

from collections.abc import Collection, Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import Catalogue
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
        # By item: the ids of offers that name it, while it is known only from them or may move.
        self._naming: dict[str, list[str]] = {}
        self._add(catalogue, offers, weights, 0)

    def taking(
        self, catalogue: Catalogue, offers: OfferRows, weights: NDArray[np.float32], since: int
    ) -> "OfferMembers":
        """Return the same with the explicit offers of `offers` from number `since` on."""
        if offers.sets_taken == since:
            return self
        later = copy(self)
        later._add(catalogue, offers, weights, since)
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
        return tuple(dict.fromkeys(self._naming.get(item_id, ())))

    def _add(
        self, catalogue: Catalogue, offers: OfferRows, weights: NDArray[np.float32], since: int
    ) -> None:
        members: list[Rows] = []
        for name in offers.ids[self._item_count + since : self._item_count + offers.sets_taken]:
            items = catalogue.offers[name].items
            found = {offers.row_of_item(item) for item in items} - {None}
            members.append(
                top_members([row for row in found if row is not None], weights, offers.tie_ranks)
            )
            for item in items:
                self._naming.setdefault(item, []).append(name)
        self._sets = offers.sets_taken
        ends = np.cumsum([self.starts[since], *map(len, members)])
        # Behind the starts that others look at.
        self.starts[since : since + len(ends)] = ends
        self.rows = np.concatenate([self.rows, *members])


def top_members(rows: Collection[int], weights: NDArray[np.float32], tie_ranks: Rows) -> Rows:
    """Return the item rows, in order of their ids, that an offer over `rows` is judged by.

    They are the most popular: `weights` (items,) grow with popularity; of equal ones the first by
    `tie_ranks` count.
    """
    ordered = sorted(rows, key=lambda row: (-float(weights[row]), tie_ranks[row]))
    return np.array(sorted(ordered[:MEMBERS_LIMIT], key=tie_ranks.__getitem__), np.int64)
