"""Where the offers of a catalogue lie in a release's space, and which of them are near a point."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import Catalogue
from models.numeric.array_types import Floats, Mask, Rows
from models.numeric.fixed import to_fixed
from models.ranking.offer_members import OfferMembers
from models.ranking.offer_rows import OfferRows
from models.ranking.release_items import ReleaseItems
from models.recommender.vector_search import VectorSearch
from models.release.release import Release


class OfferVectors:
    """The vectors of items and explicit offers, the bias as their last dimension; immutable.

    `items` (items, D) and `sets` (explicit offers, D) are float32, to retrieve by; `fixed` (items,
    D) are those of the items in units of 2^-20, to score by. `search` finds the nearest items.
    """

    def __init__(
        self,
        release: Release,
        catalogue: Catalogue,
        offers: OfferRows,
        release_items: ReleaseItems,
        members: OfferMembers,
    ) -> None:
        self._item_count = offers.item_count
        self.items = _item_vectors(release, catalogue, offers, release_items)
        self.fixed = to_fixed(self.items)
        self.search = VectorSearch(self.items, self.fixed)
        self.sets = _set_vectors(self.items, len(offers.set_ids), release_items.weights, members)

    def nearest_sets(self, point: NDArray[np.float32], limit: int, allowed: Mask) -> Rows:
        """Return up to `limit` rows of explicit offers nearest to `point` (D,) among `allowed`."""
        sets = np.flatnonzero(allowed[self._item_count :])
        if len(sets) > limit:
            scores = (self.sets @ point)[sets]
            kept = np.argpartition(-scores, limit)[:limit]
            sets = sets[kept[np.lexsort((sets[kept], -scores[kept]))]]
        return sets + self._item_count


def _item_vectors(
    release: Release, catalogue: Catalogue, offers: OfferRows, release_items: ReleaseItems
) -> Floats:
    """Return a vector for every item: the learnt one, or for a new item its features' sum.

    An item that nothing is known of stands at the origin with the least bias there is, so that it
    never outranks a learnt one for want of knowledge.
    """
    vectors = np.zeros((offers.item_count, release.dimensions), np.float32)
    vectors[:, -1] = release.vectors[:, -1].min()
    vectors[release_items.known] = release.vectors[release_items.row_of_item[release_items.known]]
    for row in release_items.new_rows.tolist():
        item = catalogue.items[offers.item_ids[row]]
        features = _feature_rows(item.features, release.item_feature_row)
        if features:
            vectors[row] = release.feature_vectors[features].sum(axis=0)
    return vectors


def _set_vectors(items: Floats, sets: int, weights: Floats, members: OfferMembers) -> Floats:
    """Return a vector for every explicit offer: the mean of its members', by their weights."""
    vectors = np.zeros((sets, items.shape[1]), np.float32)
    for number in range(sets):
        rows = members.of_set(number)
        if len(rows):
            share = weights[rows] / weights[rows].sum()
            vectors[number] = share @ items[rows]
    return vectors


def _feature_rows(features: Mapping[str, list[str]], row_of: Mapping[str, int]) -> list[int]:
    names = (f"{name}={value}" for name, values in features.items() for value in values)
    return sorted(row_of[name] for name in names if name in row_of)
