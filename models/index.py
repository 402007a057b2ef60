"""The offers of a catalogue, placed in a release's space and made searchable with FAISS.

`OfferIndex` joins one release with one catalogue. Row k of its items is also the default offer of
that item; offers over one item or a set follow after them, each as a list of member items. Small
catalogues are searched exactly in float32. From 20,000 items on vectors are held as bfloat16, which
is faster at the same recall@200 (measured .998 on 100,000 vectors); scores never come from here.
"""

from collections.abc import Mapping

import faiss
import numpy as np
from numpy.typing import NDArray

from models.catalogue import DEFAULT_PREFIX, Catalogue, Offer, in_stock
from models.fixed import to_fixed
from models.release import Release

EXACT_UP_TO = 20_000
MEMBERS = 64  # an offer over more items is judged by its 64 most popular ones
PLACES_KEPT = 256  # stock masks kept, one a place
SPARSE_SHARE = 0.03  # below this share of eligible rows, gathering them beats searching around them

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


class OfferIndex:
    """Offers by row, immutable: items' default offers in rows 0 to `item_count` - 1, then `sets`.

    `vectors` (rows, D) float32 retrieve, `fixed` (items, D) in units of 2^-20 score. `members[s]`
    holds the item rows of the s-th explicit offer, most popular first. `live` marks rows that are
    neither withdrawn nor out of stock everywhere; validity in time is added by `eligible`.
    """

    def __init__(self, release: Release, catalogue: Catalogue) -> None:
        self.release = release
        self.catalogue = catalogue
        self.item_ids = sorted(catalogue.items)
        self.item_row = {item_id: row for row, item_id in enumerate(self.item_ids)}
        self.item_count = len(self.item_ids)
        self.release_row = np.array(
            [release.item_row.get(item_id, -1) for item_id in self.item_ids], np.int64
        )
        items = self._item_vectors()
        self.fixed = to_fixed(items)
        weights = self._item_weights()
        self.set_ids = sorted(catalogue.offers)
        self.set_row = {offer_id: row for row, offer_id in enumerate(self.set_ids)}
        self.members = [self._members(catalogue.offers[name], weights) for name in self.set_ids]
        sets = np.zeros((len(self.set_ids), release.dimensions), np.float32)
        for row, members in enumerate(self.members):
            if len(members):
                share = weights[members] / weights[members].sum()
                sets[row] = share @ items[members]
        self.vectors = items
        self.set_vectors = sets
        self._search = _build(items)
        self._refresh()

    def update(self, catalogue: Catalogue) -> "OfferIndex":
        """Return the index of a later catalogue.

        Vectors and FAISS are shared when no id, feature or membership changed, which is what a
        change of price, stock or validity is.
        """
        if not self._same_vectors(catalogue):
            return OfferIndex(self.release, catalogue)
        index = object.__new__(OfferIndex)
        index.__dict__.update(self.__dict__)
        index.catalogue = catalogue
        index._refresh()
        return index

    def offer_id(self, row: int) -> str:
        """Return the id of the offer in `row`."""
        if row < self.item_count:
            return DEFAULT_PREFIX + self.item_ids[row]
        return self.set_ids[row - self.item_count]

    def row_of(self, offer_id: str) -> int | None:
        """Return the row of an offer, or None where the catalogue does not have it."""
        if offer_id.startswith(DEFAULT_PREFIX):
            return self.item_row.get(offer_id.removeprefix(DEFAULT_PREFIX))
        row = self.set_row.get(offer_id)
        return None if row is None else self.item_count + row

    def members_of(self, row: int) -> Rows:
        """Return the item rows that the offer in `row` is valid for (at most 64)."""
        if row < self.item_count:
            return np.array([row], np.int64)
        return self.members[row - self.item_count]

    def eligible(self, now: int) -> Mask:
        """Return which rows may be shown on some channel at `now` (microseconds)."""
        if not self.set_ids:
            return self.live
        valid = self.live.copy()
        valid[self.item_count :] &= (self._valid_from <= now) & (now < self._valid_until)
        return valid

    def search(self, vector: NDArray[np.float32], most: int, allowed: Mask) -> Rows:
        """Return up to `most` item rows nearest to `vector` (D,) among `allowed`, best first."""
        items = allowed[: self.item_count]
        count = int(items.sum())
        if count == 0:
            return np.empty(0, np.int64)
        most = min(most, count)
        if count < SPARSE_SHARE * self.item_count or count <= most:
            rows = np.flatnonzero(items)
            return _best(rows, self.vectors[rows] @ vector, most)
        # The bitmap must outlive the search: the selector only points at it.
        bitmap = np.packbits(items, bitorder="little")
        selector = faiss.IDSelectorBitmap(self.item_count, faiss.swig_ptr(bitmap))
        parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        _, found = self._search.search(vector[None, :], most, params=parameters)
        nearest: Rows = found[0]
        return nearest[nearest >= 0]

    def search_sets(self, vector: NDArray[np.float32], most: int, allowed: Mask) -> Rows:
        """Return up to `most` rows of explicit offers nearest to `vector` among `allowed`."""
        sets = np.flatnonzero(allowed[self.item_count :])
        return _best(sets, self.set_vectors[sets] @ vector, most) + self.item_count

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

    def shown_on(self, row: int, channel: str) -> bool:
        """Tell whether the offer in `row` may be shown on `channel`."""
        if row < self.item_count:
            return True
        channels = self.catalogue.offers[self.set_ids[row - self.item_count]].channels
        return not channels or channel in channels

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

    def _item_weights(self) -> NDArray[np.float32]:
        release = self.release
        weights = np.full(self.item_count, release.item_weights.min(), np.float32)
        known = self.release_row >= 0
        weights[known] = release.item_weights[self.release_row[known]]
        return weights

    def _members(self, offer: Offer, weights: NDArray[np.float32]) -> Rows:
        rows = {self.item_row[item] for item in offer.items if item in self.item_row}
        ordered = sorted(rows, key=lambda row: (-float(weights[row]), row))
        return np.array(ordered[:MEMBERS], np.int64)

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
        """Work out what depends on stock, withdrawal and validity, and not on vectors."""
        offers = [self.catalogue.offers[offer_id] for offer_id in self.set_ids]
        always, never = np.iinfo(np.int64).min, np.iinfo(np.int64).max
        self._valid_from = np.array(
            [always if offer.valid_from is None else offer.valid_from for offer in offers], np.int64
        )
        self._valid_until = np.array(
            [never if offer.valid_until is None else offer.valid_until for offer in offers],
            np.int64,
        )
        self._tracked = [
            row for row, item_id in enumerate(self.item_ids) if self.catalogue.items[item_id].stock
        ]
        self._stocked: dict[str, Mask] = {}
        self.live = self._stock_mask("")

    def _stock_mask(self, place: str) -> Mask:
        """Return which rows are not withdrawn and have an item in stock at `place`."""
        items = self.catalogue.items
        mask = np.array([not items[item_id].withdrawn for item_id in self.item_ids], np.bool_)
        for row in self._tracked:
            if not in_stock(items[self.item_ids[row]].stock, place):
                mask[row] = False
        sets = np.zeros(len(self.set_ids), np.bool_)
        for row, offer_id in enumerate(self.set_ids):
            offer = self.catalogue.offers[offer_id]
            if not offer.withdrawn and in_stock(offer.stock, place):
                sets[row] = bool(mask[self.members[row]].any())
        return np.concatenate([mask, sets])


def _feature_rows(features: Mapping[str, list[str]], row_of: Mapping[str, int]) -> list[int]:
    names = (f"{name}={value}" for name, values in features.items() for value in values)
    return sorted(row_of[name] for name in names if name in row_of)


def _best(rows: Rows, scores: NDArray[np.float32], most: int) -> Rows:
    if len(rows) > most:
        kept = np.argpartition(-scores, most)[:most]
        rows, scores = rows[kept], scores[kept]
    return rows[np.lexsort((rows, -scores))]


def _build(vectors: NDArray[np.float32]) -> faiss.Index:
    count, dimensions = vectors.shape
    index: faiss.Index
    if count <= EXACT_UP_TO:
        index = faiss.IndexFlatIP(dimensions)
    else:
        index = faiss.IndexScalarQuantizer(
            dimensions, faiss.ScalarQuantizer.QT_bf16, faiss.METRIC_INNER_PRODUCT
        )
    if count:
        index.add(vectors)
    return index
