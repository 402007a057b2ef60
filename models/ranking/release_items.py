"""A release's items and a catalogue's: each has rows of its own, and these arrays join them."""

import numpy as np

from models.numeric.array_types import Mask
from models.ranking.offer_rows import OfferRows
from models.release.release import Release


class ReleaseItems:
    """Which row of the release each item of the catalogue has, and the other way round; immutable.

    `row_of_item` (items,) is the release's row of each item of the catalogue, `item_of_row` (the
    release's items,) the catalogue's row of each of those; -1 for none. `known` (items,) marks the
    items that the release knows, `new_rows` are the rows of the others. `weights` (items,) float32
    grow with popularity and are positive; what the release does not know has the least there is.
    """

    def __init__(self, release: Release, rows: OfferRows) -> None:
        self.row_of_item = np.array(
            [release.item_row.get(item_id, -1) for item_id in rows.item_ids], np.int64
        )
        self.known = self.row_of_item >= 0
        self.new_rows = np.flatnonzero(~self.known)
        self.item_of_row = np.full(len(release.items), -1, np.int64)
        self.item_of_row[self.row_of_item[self.known]] = np.flatnonzero(self.known)
        self.weights = np.full(rows.item_count, release.item_weights.min(), np.float32)
        self.weights[self.known] = release.item_weights[self.row_of_item[self.known]]

    def among(self, mask: Mask) -> Mask:
        """Return which of the release's items (its items,) `mask` (rows,) marks."""
        found = np.zeros(len(self.item_of_row), np.bool_)
        here = self.item_of_row >= 0
        found[here] = mask[self.item_of_row[here]]
        return found
