"""The items of a catalogue by popularity among customers with the same attributes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.numeric.array_types import Fixed, Rows
from models.ranking.release_items import ReleaseItems
from models.release.release import Release

SEGMENTS_KEPT = 64  # rankings kept, one a combination of segments


class PopularItems(NamedTuple):
    """Items by popularity: `scores` (items,) in units of 2^-20, and `order`, most popular first."""

    scores: Fixed
    order: Rows


class Popularity:
    """Ranks all items of one catalogue by segments; what it was asked before is kept."""

    def __init__(self, release: Release, release_items: ReleaseItems) -> None:
        self._release = release
        self._release_items = release_items
        self._kept: dict[tuple[int, ...], PopularItems] = {}

    def ranked(self, segments: Sequence[int]) -> PopularItems:
        """Return the items by their mean log share over `segments`, rows of the release's table.

        An item that the release does not know is as popular as the least popular one.
        """
        key = tuple(segments)
        found = self._kept.get(key)
        if found is None:
            found = self._ranked(list(key))
            if len(self._kept) < SEGMENTS_KEPT:
                self._kept[key] = found
        return found

    def _ranked(self, segments: list[int]) -> PopularItems:
        known = self._release_items.known
        shares = self._release.popularity_fixed[segments].astype(np.int64)
        mean = shares.sum(axis=0) // len(segments)
        scores = np.full(len(known), int(mean.min()), np.int64)
        scores[known] = mean[self._release_items.row_of_item[known]]
        return PopularItems(scores, np.argsort(-scores, kind="stable"))
