"""Which offers may be shown at a moment, and where there is stock of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.domain.catalogue import Row, in_stock
from models.domain.validity import ALWAYS, NEVER, shown_from, shown_until
from models.numeric.array_types import Mask
from models.ranking.offer_members import OfferMembers
from models.ranking.offer_rows import OfferRows
from models.ranking.release_items import ReleaseItems
from models.recommender.vector_search import Allowed, allow

PLACES_KEPT = 256  # stock masks kept, one a place


class _Eligible(NamedTuple):
    """What may be shown on some channel from `since` to before `until` (microseconds)."""

    since: int
    until: int
    allowed: Allowed
    known: Mask  # the same over the release's items


class Availability:
    """Answers for all offers of one catalogue; what it was asked before is kept.

    `live` (rows,) marks offers that are neither withdrawn nor out of stock everywhere. An explicit
    offer has stock of its own, if it is tracked, and needs a member item that is live.
    """

    def __init__(
        self,
        entries: Sequence[Row],
        offers: OfferRows,
        release_items: ReleaseItems,
        members: OfferMembers,
    ) -> None:
        """Look at the `entries` (rows,) of the catalogue."""
        self._entries = entries
        self._offers = offers
        self._release_items = release_items
        self._members = members
        self._from = np.array([shown_from(entry) for entry in entries], np.int64)
        self._until = np.array([shown_until(entry) for entry in entries], np.int64)
        bounds = np.unique(np.concatenate([self._from, self._until]))
        self._bounds = bounds[(bounds > ALWAYS) & (bounds < NEVER)]
        self._tracked = [row for row, entry in enumerate(entries) if entry.stock]
        self._stocked: dict[str, Mask] = {}
        self.live = self._stock_mask("")
        nothing = np.zeros(len(offers), np.bool_)
        self._eligible = _Eligible(
            0, 0, allow(nothing, offers.item_count), release_items.among(nothing)
        )

    def eligible(self, now: int) -> Allowed:
        """Return which rows may be shown on some channel at `now` (microseconds)."""
        kept = self._eligible
        if not kept.since <= now < kept.until:
            # Between two bounds of validity nothing changes, so most calls find what is kept.
            at = int(np.searchsorted(self._bounds, now, side="right"))
            valid = self.live & (self._from <= now) & (now < self._until)
            kept = self._eligible = _Eligible(
                int(self._bounds[at - 1]) if at else ALWAYS,
                int(self._bounds[at]) if at < len(self._bounds) else NEVER,
                allow(valid, self._offers.item_count),
                self._release_items.among(valid),
            )
        return kept.allowed

    def known_to_release(self, allowed: Allowed) -> Mask:
        """Return which of the release's items are among `allowed`; not to be written to."""
        kept = self._eligible
        return kept.known if kept.allowed is allowed else self._release_items.among(allowed.mask)

    def stocked_at(self, place: str) -> Mask:
        """Return which rows have an item in stock at `place`, or anywhere when it is empty."""
        if not place:
            return self.live
        mask = self._stocked.get(place)
        if mask is None:
            mask = self._stock_mask(place)
            if len(self._stocked) < PLACES_KEPT:
                self._stocked[place] = mask
        return mask

    def _stock_mask(self, place: str) -> Mask:
        """Return which rows are not withdrawn and have an item in stock at `place`."""
        mask = np.array([not entry.withdrawn for entry in self._entries], np.bool_)
        for row in self._tracked:
            mask[row] &= in_stock(self._entries[row].stock, place)
        for number, row in enumerate(range(self._offers.item_count, len(self._offers))):
            if mask[row]:
                mask[row] = mask[self._members.of_set(number)].any()
        return mask
