"""A release's items and a catalogue's: each has rows of its own, and these arrays join them."""

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.numeric.array_file import Arrays
from models.numeric.array_types import Mask, Rows
from models.numeric.patches import patched
from models.ranking.offer_rows import OfferRows
from models.release.release import Release


class ReleaseItems:
    """Which row of the release each item of the catalogue has, and the other way round; immutable.

    `row_of_item` (items,) is the release's row of each item of the catalogue, `item_of_row` (the
    release's items,) the catalogue's row of each of those; -1 for none. `new_rows` are the rows of
    items that the release does not know, those that were left for another row among them.
    `weights` (items,) float32 grow with popularity and are positive; what the release does not know
    has the least there is.
    """

    def __init__(self, release: Release, rows: OfferRows) -> None:
        self._release = release
        self.row_of_item = np.full(rows.item_count, -1, np.int64)
        self.weights = np.full(rows.item_count, release.item_weights.min(), np.float32)
        self.item_of_row = np.full(len(release.items), -1, np.int64)
        self.new_rows = np.empty(0, np.int64)
        here, there = self._join(rows, 0)
        self.item_of_row[there] = here

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], release: Release) -> "ReleaseItems":
        """Return what joins a release with a catalogue, whose `arrays` these are."""
        found = cls.__new__(cls)
        found._release = release
        found.row_of_item, found.item_of_row = arrays["row_of_item"], arrays["item_of_row"]
        found.weights, found.new_rows = arrays["weights"], arrays["new_rows"]
        return found

    def arrays(self) -> Arrays:
        """Return all that is known."""
        return {
            "row_of_item": self.row_of_item,
            "item_of_row": self.item_of_row,
            "weights": self.weights,
            "new_rows": self.new_rows,
        }

    def taking(self, rows: OfferRows, since: int) -> "ReleaseItems":
        """Return the same with the items of `rows` from the row `since` on."""
        later = copy(self)
        here, there = later._join(rows, since)
        later.item_of_row = patched(self.item_of_row, there.tolist(), here.tolist())
        return later

    def among(self, mask: Mask) -> Mask:
        """Return which of the release's items (its items,) `mask` (rows,) marks."""
        found = np.zeros(len(self.item_of_row), np.bool_)
        here = self.item_of_row >= 0
        found[here] = mask[self.item_of_row[here]]
        return found

    def _join(self, rows: OfferRows, since: int) -> tuple[Rows, Rows]:
        """Look the items up; return the rows of those that the release knows, here and there."""
        # Rows from `since` on are looked at by nobody yet: only what others look at is copied.
        until = rows.items_taken
        row_of = self._release.item_row
        if until - since > len(row_of) // 8:
            row_of = dict(row_of.items())  # soon made up for by so many
        found = [row_of.get(item_id, -1) for item_id in rows.item_ids[since:until]]
        self.row_of_item[since:until] = found
        here: Rows = np.flatnonzero(self.row_of_item[since:until] >= 0) + since
        there = self.row_of_item[here]
        self.weights[here] = self._release.item_weights[there]
        new = np.flatnonzero(self.row_of_item[since:until] < 0) + since
        self.new_rows = np.concatenate([self.new_rows, new]) if len(new) else self.new_rows
        return here, there
