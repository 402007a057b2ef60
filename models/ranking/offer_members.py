"""Which items an offer is over: it is placed, scored and in stock by these."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import Catalogue
from models.numeric.array_types import Mask, Rows
from models.ranking.offer_rows import OfferRows

MEMBERS_LIMIT = 64  # an offer over more items is judged by so many of its most popular ones


class OfferMembers:
    """The member items of every explicit offer; immutable.

    Those of the s-th explicit offer are `rows[starts[s] : starts[s + 1]]`, item rows in ascending
    order; there are none where the catalogue has none of its items.
    """

    def __init__(
        self, catalogue: Catalogue, offers: OfferRows, weights: NDArray[np.float32]
    ) -> None:
        """Find the members; `weights` (items,) grow with popularity."""
        row_of = offers.item_row
        found = (
            {row_of[item] for item in catalogue.offers[name].items if item in row_of}
            for name in offers.set_ids
        )
        members = [top_members(rows, weights) for rows in found]
        self.starts = np.cumsum([0, *map(len, members)])
        self.rows = np.concatenate([np.empty(0, np.int64), *members])
        self._item_count = offers.item_count

    def of(self, row: int) -> Rows:
        """Return the item rows that the offer in `row` is valid for (at most 64), ascending."""
        if row < self._item_count:
            return np.array([row], np.int64)
        return self.of_set(row - self._item_count)

    def of_set(self, number: int) -> Rows:
        """Return the item rows of the explicit offer of that number, ascending."""
        return self.rows[self.starts[number] : self.starts[number + 1]]

    def sets_with(self, items: Mask) -> Mask:
        """Return which explicit offers (sets,) are over at least one of `items` (items,)."""
        before = np.concatenate([[0], np.cumsum(items[self.rows])])
        found: Mask = before[self.starts[1:]] > before[self.starts[:-1]]
        return found


def top_members(rows: Collection[int], weights: NDArray[np.float32]) -> Rows:
    """Return the item rows, ascending, that an offer over `rows` is judged by: the most popular.

    `weights` (items,) grow with popularity; of equal ones the first count.
    """
    ordered = sorted(rows, key=lambda row: (-float(weights[row]), row))
    return np.array(sorted(ordered[:MEMBERS_LIMIT]), np.int64)
