"""Where the offers of a catalogue lie in a release's space, and which of them are near a point."""

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import Catalogue
from models.numeric.array_file import Arrays, nested, part
from models.numeric.array_types import Fixed, Floats, Mask, Rows
from models.numeric.fixed import ONE, dot, to_fixed, top_by_score
from models.ranking.offer_members import OfferMembers
from models.ranking.offer_rows import OfferRows
from models.ranking.release_items import ReleaseItems
from models.recommender.vector_search import Levels, VectorSearch
from models.release.release import Release

_ROUNDING = 0.001  # more than a float32 score of up to 100 dimensions is away from the exact one


class OfferVectors:
    """The vectors of items and explicit offers, the bias as their last dimension; immutable.

    `fixed` (items, D) are those of the items in units of 2^-20, `sets` (explicit offers, D) those
    of explicit offers, float32. `search` finds the nearest items.
    """

    def __init__(
        self,
        release: Release,
        catalogue: Catalogue,
        offers: OfferRows,
        release_items: ReleaseItems,
        members: OfferMembers,
        levels: Levels,
    ) -> None:
        self._set(release, offers)
        sets = len(offers) - offers.item_count
        self.fixed = np.zeros((offers.item_count, release.dimensions), np.int32)
        self.sets = np.zeros((sets, release.dimensions), np.float32)
        self._sets_fixed = np.zeros((sets, release.dimensions), np.int32)
        rows = np.arange(offers.items_taken)
        vectors = self._place_items(rows, catalogue, offers, release_items)
        self.search = VectorSearch(levels, vectors, self.fixed, offers.tie_ranks)
        self._place_sets(0, catalogue, offers, release_items, members)

    @classmethod
    def of_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], release: Release, offers: OfferRows, levels: Levels
    ) -> "OfferVectors":
        """Return the vectors of `offers` whose `arrays` these are."""
        found = cls.__new__(cls)
        found._set(release, offers)
        found.fixed, found.sets = arrays["fixed"], arrays["sets"]
        found._sets_fixed = arrays["sets_fixed"]
        search = part("search", arrays)
        found.search = VectorSearch.of_arrays(search, levels, found.fixed, offers.tie_ranks)
        return found

    def arrays(self) -> Arrays:
        """Return all that is known; no offer may have come since it was made."""
        return {
            "fixed": self.fixed,
            "sets": self.sets,
            "sets_fixed": self._sets_fixed,
            **dict(nested("search", self.search.arrays())),
        }

    def _set(self, release: Release, offers: OfferRows) -> None:
        self._release = release
        self._item_count = offers.item_count
        self._tie_ranks = offers.tie_ranks

    def taking(
        self,
        catalogue: Catalogue,
        offers: OfferRows,
        release_items: ReleaseItems,
        members: OfferMembers,
        before: OfferRows,
        gone: Rows,
    ) -> "OfferVectors | None":
        """Return the same with what `offers` has beyond `before`, without the item rows `gone`.

        None where so many vectors are to be made anew.
        """
        later = copy(self)
        later._tie_ranks = offers.tie_ranks
        rows = np.arange(before.items_taken, offers.items_taken)
        vectors = self._place_items(rows, catalogue, offers, release_items)
        search = self.search.updated(rows, vectors, gone, offers.tie_ranks)
        if search is None:
            return None
        later.search = search
        later._place_sets(before.sets_taken, catalogue, offers, release_items, members)
        return later

    def nearest_sets(self, point: Fixed, limit: int, allowed: Mask) -> Rows:
        """Return up to `limit` rows of explicit offers nearest to `point` (D,) among `allowed`.

        The nearest come first; `point` is in units of 2^-20.
        """
        sets = np.flatnonzero(allowed[self._item_count :])
        if len(sets) > limit:
            near = (self.sets @ (point / ONE).astype(np.float32))[sets]
            least = np.partition(near, len(near) - limit)[len(near) - limit]
            # What a float cannot tell apart from the last is scored exactly, too.
            sets = sets[near >= least - _ROUNDING * max(1.0, abs(float(least)))]
            scores = dot(self._sets_fixed, sets, point)
            sets = sets[top_by_score(scores, self._tie_ranks[sets + self._item_count], limit)]
        return sets + self._item_count

    def _place_items(
        self, rows: Rows, catalogue: Catalogue, offers: OfferRows, release_items: ReleaseItems
    ) -> Floats:
        """Place the items of `rows`, which nobody looks at yet, and return their vectors."""
        vectors = self._item_vectors(rows, catalogue, offers, release_items)
        self.fixed[rows] = to_fixed(vectors)
        return vectors

    def _item_vectors(
        self, rows: Rows, catalogue: Catalogue, offers: OfferRows, release_items: ReleaseItems
    ) -> Floats:
        """Return the vectors of items: learnt ones, or for a new item its features' sum.

        An item that nothing is known of stands at the origin with the least bias there is, so that
        it never outranks a learnt one for want of knowledge.
        """
        release = self._release
        there = release_items.row_of_item[rows]
        vectors: Floats = release.vectors[there]
        for at in np.flatnonzero(there < 0).tolist():
            item = catalogue.items[offers.item_ids[rows[at]]]
            features = _feature_rows(item.features, release.item_feature_row)
            if features:
                vectors[at] = release.feature_vectors[features].sum(axis=0)
            else:
                vectors[at] = 0
                vectors[at, -1] = _least_bias(release)
        return vectors

    def _place_sets(
        self,
        since: int,
        catalogue: Catalogue,
        offers: OfferRows,
        release_items: ReleaseItems,
        members: OfferMembers,
    ) -> None:
        """Place explicit offers from number `since` on: the mean of members, by their weights."""
        for number in range(since, offers.sets_taken):
            rows = members.of_set(number)
            if len(rows):
                weights = release_items.weights[rows]
                vectors = self._item_vectors(rows, catalogue, offers, release_items)
                self.sets[number] = (weights / weights.sum()) @ vectors
        self._sets_fixed[since : offers.sets_taken] = to_fixed(self.sets[since : offers.sets_taken])


def _least_bias(release: Release) -> float:
    return float(release.vectors[:, -1].min())


def _feature_rows(features: Mapping[str, list[str]], row_of: Mapping[str, int]) -> list[int]:
    names = (f"{name}={value}" for name, values in features.items() for value in values)
    return sorted(row_of[name] for name in names if name in row_of)
