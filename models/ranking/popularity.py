"""The items of a catalogue by popularity among customers with the same attributes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.numeric.array_types import Fixed, Rows
from models.ranking.offer_rows import OfferRows
from models.ranking.release_items import ReleaseItems
from models.release.release import Release

SEGMENTS_KEPT = 64  # rankings kept, one a combination of segments
FEW = 16  # so many new items are put into kept rankings; of more, these are made anew


class PopularItems(NamedTuple):
    """Items by popularity: `scores` (items,) in units of 2^-20, and `order`, most popular first."""

    scores: Fixed
    order: Rows


class Popularity:
    """Ranks all items of one catalogue by segments; what it was asked before is kept."""

    def __init__(self, release: Release, release_items: ReleaseItems, offers: OfferRows) -> None:
        self._release = release
        self._release_items = release_items
        self._offers = offers
        self._kept: dict[tuple[int, ...], PopularItems] = {}

    def ranked(self, segments: Sequence[int]) -> PopularItems:
        """Return the items by their mean log share over `segments`, rows of the release's table.

        An item that the release does not know is as popular as the least popular one. Of equal ones
        the first by id stands first.
        """
        key = tuple(segments)
        found = self._kept.get(key)
        if found is None:
            found = self._ranked(list(key))
            if len(self._kept) < SEGMENTS_KEPT:
                self._kept[key] = found
        return found

    def taking(self, release_items: ReleaseItems, offers: OfferRows) -> "Popularity":
        """Return the same over the rows of `offers`, which has more than there were.

        What is kept of orders that were asked for is kept for these rows.
        """
        later = Popularity(self._release, release_items, offers)
        rows = range(self._offers.items_taken, offers.items_taken)
        if len(rows) <= FEW:
            later._kept = {
                key: later._inserted(key, found, rows) for key, found in list(self._kept.items())
            }
        return later

    def _inserted(
        self, key: tuple[int, ...], found: PopularItems, rows: Sequence[int]
    ) -> PopularItems:
        """Return what was found with new rows in their places."""
        scores, order = found
        ranks = self._offers.tie_ranks
        mean = self._mean(list(key))
        for row in rows:
            # Nobody looks at the score of this row yet.
            there = self._release_items.row_of_item[row]
            scores[row] = mean[there] if there >= 0 else mean.min()
            ordered = -scores[order]
            first, last = np.searchsorted(ordered, -scores[row] + np.arange(2))
            at = first + np.searchsorted(ranks[order[first:last]], ranks[row])
            order = np.insert(order, at, row)
        return PopularItems(scores, order)

    def _mean(self, segments: list[int]) -> Fixed:
        shares = self._release.popularity_fixed[segments].astype(np.int64)
        mean: Fixed = shares.sum(axis=0) // len(segments)
        return mean

    def _ranked(self, segments: list[int]) -> PopularItems:
        taken = self._offers.items_taken
        there = self._release_items.row_of_item[:taken]
        mean = self._mean(segments)
        least = int(mean.min())
        scores = np.full(self._offers.item_count, least, np.int64)
        scores[:taken] = np.where(there >= 0, mean[there], least)
        order = np.lexsort((self._offers.tie_ranks[:taken], -scores[:taken]))
        return PopularItems(scores, order)
