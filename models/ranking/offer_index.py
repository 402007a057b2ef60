"""The offers of a catalogue, placed in a release's space and made searchable.

`OfferIndex` joins one release with one catalogue. Row k of its items is also the default offer of
that item; offers over one item or a set follow after them, each with its member items.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import DEFAULT_PREFIX, Catalogue, Offer, Row, in_stock
from models.numeric.array_types import Fixed, Mask, Rows
from models.numeric.fixed import to_fixed
from models.policy.selector_masks import SelectorMasks
from models.recommender.new_items import NewItems
from models.recommender.vector_search import Allowed, VectorSearch, allow
from models.release.release import Release

MEMBERS = 64  # an offer over more items is judged by its 64 most popular ones
PLACES_KEPT = 256  # stock masks kept, one a place
CHANNELS_KEPT = 64  # masks of what a channel may show, one a channel
SEGMENTS_KEPT = 64  # rankings by popularity kept, one a combination of segments

ALWAYS, NEVER = int(np.iinfo(np.int64).min), int(np.iinfo(np.int64).max)


class PopularItems(NamedTuple):
    """Items by popularity in some segments: `scores` (items,) in units of 2^-20, and the order."""

    scores: Fixed
    order: Rows


class _Eligible(NamedTuple):
    """What may be shown on some channel from `since` to before `until` (microseconds)."""

    since: int
    until: int
    allowed: Allowed
    known: Mask  # the same over the release's items


class OfferIndex:
    """Offers by row, immutable: items' default offers in rows 0 to `item_count` - 1, then the sets.

    `ids` are the offers' ids by row and `ranks` each id's place among all of them. `vectors`
    (items, D) float32 retrieve, `fixed` are the same in units of 2^-20 and score. The items of the
    s-th explicit offer are `members[starts[s] : starts[s + 1]]`, ascending. `live` marks rows that
    are neither withdrawn nor out of stock everywhere; validity in time is added by `eligible`.

    `release_row` (items,) is the release's row of each item, `item_row_of` (the release's items,)
    the row here of each of those; -1 for none. `new_rows` are items the release does not know.
    """

    def __init__(self, release: Release, catalogue: Catalogue) -> None:
        self.release = release
        self.catalogue = catalogue
        self.item_ids = sorted(catalogue.items)
        self.item_row = {item_id: row for row, item_id in enumerate(self.item_ids)}
        self.item_count = len(self.item_ids)
        self.set_ids = sorted(catalogue.offers)
        self.set_row = {offer_id: row for row, offer_id in enumerate(self.set_ids)}
        self.ids = [*(DEFAULT_PREFIX + item_id for item_id in self.item_ids), *self.set_ids]
        self.tie_ranks = _ranks(self.ids)
        self.release_row = np.array(
            [release.item_row.get(item_id, -1) for item_id in self.item_ids], np.int64
        )
        known = np.flatnonzero(self.release_row >= 0)
        self.item_of_release_row = np.full(len(release.items), -1, np.int64)
        self.item_of_release_row[self.release_row[known]] = known
        self.new_rows = np.flatnonzero(self.release_row < 0)
        self.vectors = self._item_vectors()
        self.fixed_vectors = to_fixed(self.vectors)
        self.search = VectorSearch(self.vectors, self.fixed_vectors)
        self._place_sets()
        self.selections = SelectorMasks(self._rows())
        self.new_items = self._new_items()
        self._popular: dict[tuple[int, ...], PopularItems] = {}
        self._eligible: _Eligible
        self._refresh()

    def update(self, catalogue: Catalogue) -> "OfferIndex":
        """Return the index of a later catalogue.

        Vectors and search are shared when no id, feature or membership changed, which is what a
        change of price, stock or validity is.
        """
        if not self._same_vectors(catalogue):
            return OfferIndex(self.release, catalogue)
        index = object.__new__(OfferIndex)
        index.__dict__.update(self.__dict__)
        index.catalogue = catalogue
        index.selections = self.selections.updated(index._rows())
        index._refresh()
        return index

    def row_of(self, offer_id: str) -> int | None:
        """Return the row of an offer, or None where the catalogue does not have it."""
        if offer_id.startswith(DEFAULT_PREFIX):
            return self.item_row.get(offer_id.removeprefix(DEFAULT_PREFIX))
        row = self.set_row.get(offer_id)
        return None if row is None else self.item_count + row

    def members_of(self, row: int) -> Rows:
        """Return the item rows that the offer in `row` is valid for (at most 64), ascending."""
        if row < self.item_count:
            return np.array([row], np.int64)
        at = row - self.item_count
        return self.members[self.starts[at] : self.starts[at + 1]]

    def value_of(self, row: int, feature: str) -> str:
        """Return the first value that the offer, or item, in `row` has of a feature; "" without."""
        known = self._values.setdefault(feature, {})
        value = known.get(row)
        if value is None:
            catalogue = self.catalogue
            found = (
                catalogue.items[self.item_ids[row]]
                if row < self.item_count
                else catalogue.offers[self.set_ids[row - self.item_count]]
            )
            value = known[row] = next(iter(found.features.get(feature, ())), "")
        return value

    def eligible(self, now: int) -> Allowed:
        """Return which rows may be shown on some channel at `now` (microseconds)."""
        kept = self._eligible
        if not kept.since <= now < kept.until:
            # Between two bounds of validity nothing changes, so most calls find what is kept.
            at = int(np.searchsorted(self._bounds, now, side="right"))
            valid = self.live & (self._valid_from <= now) & (now < self._valid_until)
            kept = self._eligible = _Eligible(
                int(self._bounds[at - 1]) if at else ALWAYS,
                int(self._bounds[at]) if at < len(self._bounds) else NEVER,
                allow(valid, self.item_count),
                self._known(valid),
            )
        return kept.allowed

    def known_to_release(self, allowed: Allowed) -> Mask:
        """Return which of the release's items are among `allowed`."""
        kept = self._eligible
        return kept.known if kept.allowed is allowed else self._known(allowed.mask)

    def nearest_sets(self, point: NDArray[np.float32], limit: int, allowed: Mask) -> Rows:
        """Return up to `most` rows of explicit offers nearest to `point` (D,) among `allowed`."""
        sets = np.flatnonzero(allowed[self.item_count :])
        if len(sets) > limit:
            scores = (self.set_vectors @ point)[sets]
            kept = np.argpartition(-scores, limit)[:limit]
            sets = sets[kept[np.lexsort((sets[kept], -scores[kept]))]]
        return sets + self.item_count

    def popular(self, segments: list[int]) -> PopularItems:
        """Return the items by their mean log share over `segments`, most popular first."""
        key = tuple(segments)
        found = self._popular.get(key)
        if found is None:
            table = self.release.popularity_fixed[segments].astype(np.int64)
            mean = table.sum(axis=0) // len(segments)
            scores = np.full(self.item_count, int(mean.min()), np.int64)
            known = self.release_row >= 0
            scores[known] = mean[self.release_row[known]]
            found = PopularItems(scores, np.argsort(-scores, kind="stable"))
            if len(self._popular) < SEGMENTS_KEPT:
                self._popular[key] = found
        return found

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

    def kept_from(self, channel: str) -> Mask:
        """Return which rows are for other channels only."""
        return self._on_channel(channel)[0]

    def without_creative(self, channel: str) -> Mask:
        """Return which rows have creatives, and none for `channel`."""
        return self._on_channel(channel)[1]

    def _on_channel(self, channel: str) -> tuple[Mask, Mask]:
        found = self._channels.get(channel)
        if found is None:
            kept, without = np.zeros((2, len(self.ids)), np.bool_)
            for row, offer_id in enumerate(self.set_ids, self.item_count):
                offer = self.catalogue.offers[offer_id]
                kept[row] = bool(offer.channels) and channel not in offer.channels
                without[row] = bool(offer.creatives) and channel not in offer.creatives
            found = kept, without
            if len(self._channels) < CHANNELS_KEPT:
                self._channels[channel] = found
        return found

    def _new_items(self) -> NewItems | None:
        """Return how new items fit by their features; None without any, or a second stage."""
        stage = self.release.second_stage
        if stage is None or not len(self.new_rows):
            return None
        known = self.release_row >= 0
        buyers = np.zeros(self.item_count)
        buyers[known] = stage.retrieval.buyers[self.release_row[known]]
        features = [self.catalogue.items[item_id].features for item_id in self.item_ids]
        return NewItems(features, buyers, self.new_rows)

    def _item_vectors(self) -> NDArray[np.float32]:
        """Return a vector for every item: the learnt one, or for a new item its features' sum.

        An item that nothing is known of stands at the origin with the least bias there is, so that
        it never outranks a learnt one for want of knowledge.
        """
        release = self.release
        vectors = np.zeros((self.item_count, release.dimensions), np.float32)
        vectors[:, -1] = release.vectors[:, -1].min()
        known = self.release_row >= 0
        vectors[known] = release.vectors[self.release_row[known]]
        for row in np.flatnonzero(~known):
            features = _feature_rows(
                self.catalogue.items[self.item_ids[row]].features, release.item_feature_row
            )
            if features:
                vectors[row] = release.feature_vectors[features].sum(axis=0)
        return vectors

    def _place_sets(self) -> None:
        """Find the members of each explicit offer, and place it at their weighted mean."""
        weights = np.full(self.item_count, self.release.item_weights.min(), np.float32)
        known = self.release_row >= 0
        weights[known] = self.release.item_weights[self.release_row[known]]
        members = [self._members(self.catalogue.offers[name], weights) for name in self.set_ids]
        self.set_vectors = np.zeros((len(members), self.release.dimensions), np.float32)
        for at, rows in enumerate(members):
            if len(rows):
                share = weights[rows] / weights[rows].sum()
                self.set_vectors[at] = share @ self.vectors[rows]
        self.starts = np.cumsum([0, *map(len, members)])
        self.members = np.concatenate([np.empty(0, np.int64), *members])

    def _members(self, offer: Offer, weights: NDArray[np.float32]) -> Rows:
        return top_members({self.item_row[i] for i in offer.items if i in self.item_row}, weights)

    def _same_vectors(self, catalogue: Catalogue) -> bool:
        mine = self.catalogue
        if mine.items.keys() != catalogue.items.keys():
            return False
        if mine.offers.keys() != catalogue.offers.keys():
            return False
        return all(
            row is mine.items[key] or row.features == mine.items[key].features
            for key, row in catalogue.items.items()
        ) and all(
            row is mine.offers[key] or row.items == mine.offers[key].items
            for key, row in catalogue.offers.items()
        )

    def _refresh(self) -> None:
        """Work out what a change of the catalogue may change though no vector does."""
        rows = self._rows()
        items = self.catalogue.items
        self._valid_from = np.array(
            [ALWAYS if row.valid_from is None else row.valid_from for row in rows], np.int64
        )
        self._valid_until = np.array([_ends(row) for row in rows], np.int64)
        bounds = np.unique(np.concatenate([self._valid_from, self._valid_until]))
        self._bounds = bounds[(bounds > ALWAYS) & (bounds < NEVER)]
        self._tracked = [row for row, item_id in enumerate(self.item_ids) if items[item_id].stock]
        self._stocked: dict[str, Mask] = {}
        self._channels: dict[str, tuple[Mask, Mask]] = {}
        self._values: dict[str, dict[int, str]] = {}
        self.live = self._stock_mask("")
        nothing = np.zeros(len(rows), np.bool_)
        self._eligible = _Eligible(
            0, 0, allow(nothing, self.item_count), np.zeros(len(self.release.items), np.bool_)
        )

    def _rows(self) -> list[Row]:
        items, offers = self.catalogue.items, self.catalogue.offers
        return [
            *(items[item_id] for item_id in self.item_ids),
            *(offers[offer_id] for offer_id in self.set_ids),
        ]

    def _known(self, mask: Mask) -> Mask:
        found = np.zeros(len(self.release.items), np.bool_)
        here = self.item_of_release_row >= 0
        found[here] = mask[self.item_of_release_row[here]]
        return found

    def _stock_mask(self, place: str) -> Mask:
        """Return which rows are not withdrawn and have an item in stock at `place`."""
        items = self.catalogue.items
        mask = np.array([not items[item_id].withdrawn for item_id in self.item_ids], np.bool_)
        for row in self._tracked:
            if not in_stock(items[self.item_ids[row]].stock, place):
                mask[row] = False
        sets = np.zeros(len(self.set_ids), np.bool_)
        for at, offer_id in enumerate(self.set_ids):
            offer = self.catalogue.offers[offer_id]
            if not offer.withdrawn and in_stock(offer.stock, place):
                sets[at] = bool(mask[self.members[self.starts[at] : self.starts[at + 1]]].any())
        return np.concatenate([mask, sets])


def top_members(rows: Collection[int], weights: NDArray[np.float32]) -> Rows:
    """Return the item rows, ascending, that an offer over `rows` is judged by: the most popular.

    `weights` (items,) grow with popularity; of equal ones the first count.
    """
    ordered = sorted(rows, key=lambda row: (-float(weights[row]), row))
    return np.array(sorted(ordered[:MEMBERS]), np.int64)


def _ends(row: Row) -> int:
    """Return when an offer can no longer be shown: it, or its price, is valid no more."""
    ends = [end for end in (row.valid_until, row.price_until) if end is not None]
    return min(ends, default=NEVER)


def _ranks(ids: list[str]) -> Rows:
    ranks = np.empty(len(ids), np.int64)
    ranks[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    return ranks


def _feature_rows(features: Mapping[str, list[str]], row_of: Mapping[str, int]) -> list[int]:
    names = (f"{name}={value}" for name, values in features.items() for value in values)
    return sorted(row_of[name] for name in names if name in row_of)
