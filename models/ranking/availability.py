"""Which offers may be shown at a moment, and where there is stock of them."""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import Item, Row, in_stock
from models.domain.row_changes import RowChange
from models.domain.validity import ALWAYS, NEVER, shown_from, shown_until
from models.numeric.array_file import Arrays
from models.numeric.array_types import Mask, Rows
from models.numeric.patches import patched
from models.policy.row_terms import ANY, STOCKED, TRACKED, RowTerms
from models.ranking.offer_members import OfferMembers
from models.ranking.offer_rows import OfferRows
from models.ranking.release_items import ReleaseItems
from models.recommender.vector_search import Allowed

PLACES_KEPT = 256  # stock masks kept, one a place


class _Eligible(NamedTuple):
    """What may be shown on some channel from `since` to before `until` (microseconds)."""

    since: int
    until: int
    allowed: Allowed
    known: Mask  # the same over the release's items


class Availability:
    """Answers for all offers of one catalogue; what it was asked before is kept.

    `here` (rows,) marks offers that are not withdrawn, `live` those that are not out of stock
    everywhere either. An explicit offer has stock of its own, if it is tracked, and needs a member
    item that is live.
    """

    def __init__(
        self,
        entries: Sequence[Row | None],
        terms: RowTerms,
        offers: OfferRows,
        release_items: ReleaseItems,
        members: OfferMembers,
    ) -> None:
        """Look at the `entries` (rows,) of the catalogue, and their terms."""
        self._set(entries, terms, offers, release_items, members)
        size = len(offers)
        every = list(entries)
        self.here = np.fromiter(map(_is_here, every), np.bool_, size)
        self._from = np.fromiter(map(_from, every), np.int64, size)
        self._until = np.fromiter(map(_until, every), np.int64, size)
        self._bounds = _bounds(self._from, self._until)
        self.live = self._stock_mask(ANY)

    @classmethod
    def of_arrays(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        entries: Sequence[Row | None],
        terms: RowTerms,
        offers: OfferRows,
        release_items: ReleaseItems,
        members: OfferMembers,
    ) -> "Availability":
        """Return what may be shown of a catalogue, whose `arrays` these are."""
        found = cls.__new__(cls)
        found._set(entries, terms, offers, release_items, members)
        found.here, found.live = arrays["here"], arrays["live"]
        found._from, found._until = arrays["from"], arrays["until"]
        found._bounds = arrays["bounds"]
        return found

    def arrays(self) -> Arrays:
        """Return all that is known, without what was asked for."""
        return {
            "here": self.here,
            "live": self.live,
            "from": self._from,
            "until": self._until,
            "bounds": self._bounds,
        }

    def _set(
        self,
        entries: Sequence[Row | None],
        terms: RowTerms,
        offers: OfferRows,
        release_items: ReleaseItems,
        members: OfferMembers,
    ) -> None:
        self._entries, self._terms, self._offers = entries, terms, offers
        self._release_items, self._members = release_items, members
        self._stocked: dict[str, Mask] = {}
        self._now = 0
        self._eligible: _Eligible | None = None

    def eligible(self, now: int) -> Allowed:
        """Return which rows may be shown on some channel at `now` (microseconds)."""
        kept = self._eligible
        if kept is None or not kept.since <= now < kept.until:
            # Between two bounds of validity nothing changes, so most calls find what is kept.
            at = int(np.searchsorted(self._bounds, now, side="right"))
            valid = self.live & (self._from <= now) & (now < self._until)
            kept = self._eligible = _Eligible(
                int(self._bounds[at - 1]) if at else ALWAYS,
                int(self._bounds[at]) if at < len(self._bounds) else NEVER,
                self._offers.allow(valid),
                self._release_items.among(valid),
            )
            self._now = now
        return kept.allowed

    def known_to_release(self, allowed: Allowed) -> Mask:
        """Return which of the release's items are among `allowed`; not to be written to."""
        kept = self._eligible
        if kept is not None and kept.allowed is allowed:
            return kept.known
        return self._release_items.among(allowed.mask)

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

    def updated(
        self,
        changes: Sequence[RowChange],
        entries: Sequence[Row | None],
        terms: RowTerms,
        offers: OfferRows,
        release_items: ReleaseItems,
        members: OfferMembers,
    ) -> "Availability":
        """Return the same after changes of rows; all else is as it was."""
        later = copy(self)
        later._entries, later._terms, later._offers = entries, terms, offers
        later._release_items, later._members = release_items, members
        rows = [change.row for change in changes]
        later.here = patched(self.here, rows, [_is_here(one.after) for one in changes])
        since, until = [_from(one.after) for one in changes], [_until(one.after) for one in changes]
        later._from = patched(self._from, rows, since)
        later._until = patched(self._until, rows, until)
        same_times = later._from is self._from and later._until is self._until
        if not same_times:
            # A bound at which nothing changes any more does no harm; too many are not kept.
            more = np.setdiff1d(_bounds(np.array(since), np.array(until)), self._bounds)
            later._bounds = np.insert(self._bounds, np.searchsorted(self._bounds, more), more)
            if len(later._bounds) > 2 * len(offers):
                later._bounds = _bounds(later._from, later._until)
        same_stock = later.here is self.here and all(map(_same_stock, changes))
        if not same_stock:
            touched = later._touched(changes)
            later.live = later._restocked(self.live, ANY, touched)
            later._stocked = {
                place: later._restocked(mask, place, touched)
                for place, mask in list(self._stocked.items())
            }
        ids_stay = offers is self._offers
        if not (same_times and ids_stay and later.live is self.live):
            # Made here, so that the next request finds it.
            later._eligible = None
            if self._eligible is not None:
                later.eligible(self._now)
        return later

    def _stock_mask(self, place: str) -> Mask:
        """Return which rows are not withdrawn and have an item in stock at `place`."""
        mask = ~self._terms.mask(TRACKED, (ANY,)) | self._terms.mask(STOCKED, (place,))
        mask &= self.here
        first, taken = self._offers.item_count, self._offers.sets_taken
        members, starts = self._members.rows, self._members.starts[: taken + 1]
        stocked = np.concatenate([[0], np.cumsum(mask[members])])[starts]
        mask[first : first + taken] &= stocked[1:] > stocked[:-1]
        return mask

    def _touched(self, changes: Sequence[RowChange]) -> tuple[list[int], list[int]]:
        """Return the rows that changed, items and explicit offers, and offers over such items."""
        first = self._offers.item_count
        items = [one.row for one in changes if one.row < first]
        sets = {one.row for one in changes if one.row >= first}
        for one in changes:
            item = one.after or one.before
            if isinstance(item, Item) and not _same_stock(one):
                found = map(self._offers.row_of, self._members.naming(item.id))
                sets.update(row for row in found if row is not None)
        return items, sorted(sets)

    def _restocked(self, mask: Mask, place: str, touched: tuple[list[int], list[int]]) -> Mask:
        """Return a stock mask of before with the rows `touched` as they are now."""
        items, sets = touched
        mask = patched(mask, items, [self._has_stock(row, place) for row in items])
        first = self._offers.item_count
        return patched(
            mask,
            sets,
            [
                self._has_stock(row, place) and bool(mask[self._members.of_set(row - first)].any())
                for row in sets
            ],
        )

    def _has_stock(self, row: int, place: str) -> bool:
        entry = self._entries[row] if self.here[row] else None
        return entry is not None and in_stock(entry.stock, place)


def _is_here(entry: Row | None) -> bool:
    return entry is not None and not entry.withdrawn


def _from(entry: Row | None) -> int:
    return NEVER if entry is None else shown_from(entry)


def _until(entry: Row | None) -> int:
    return NEVER if entry is None else shown_until(entry)


def _same_stock(change: RowChange) -> bool:
    """Tell whether a row is in stock where it was, and withdrawn if it was."""
    before, after = change.before, change.after
    if before is None or after is None:
        return False
    if before.withdrawn is not after.withdrawn:
        return False
    return before.stock == after.stock or _places(before) == _places(after)


def _places(row: Row) -> tuple[bool, frozenset[str]]:
    return bool(row.stock), frozenset(one.place for one in row.stock if one.quantity > 0)


def _bounds(since: Rows, until: Rows) -> Rows:
    """Return the moments at which something begins or ends to be valid, ascending."""
    bounds: Rows = np.unique(np.concatenate([since, until]))
    return bounds[(bounds > ALWAYS) & (bounds < NEVER)]
