"""The offers of a catalogue, placed in a release's space and made searchable.

`OfferIndex` joins one release with one catalogue. It holds a part for each thing that is asked of
offers; all parts speak of offers by the same row numbers. The index of a later catalogue shares all
but what changed, and answers as one that is made afresh: where rows stand is no part of an answer.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import Catalogue, Item, Row
from models.domain.row_changes import RowChange
from models.numeric.array_file import Arrays, nested, part
from models.numeric.array_types import Doubles
from models.policy.amount_columns import AmountColumns
from models.policy.row_terms import RowTerms
from models.policy.selector_masks import SelectorMasks
from models.ranking.availability import Availability
from models.ranking.channel_masks import KINDS, ChannelMasks
from models.ranking.feature_values import FeatureValues
from models.ranking.offer_members import OfferMembers
from models.ranking.offer_rows import OfferRows
from models.ranking.offer_vectors import OfferVectors
from models.ranking.popularity import Popularity
from models.ranking.release_items import ReleaseItems
from models.recommender.new_items import FeatureChange, Features, NewItems
from models.recommender.vector_search import Levels
from models.release.release import Release


class OfferIndex:
    """All that is asked of the offers of one catalogue under one release; immutable.

    What ids, features and memberships decide:

    - `rows`: which offer stands in which row
    - `release_items`: which row of the release an item has
    - `members`: which items an offer is over
    - `vectors`: where offers lie, and which are near
    - `popularity`: items by popularity in segments
    - `new_items`: how items that the release does not know fit; None without any, or a second stage

    `made_at` is the revision of the catalogue at which all of it was looked at last.

    What each change of the catalogue may decide anew:

    - `terms`: which rows have what rules and channels look for
    - `amounts`: the price and the value of each row
    - `selections`: which rows a selector is about
    - `availability`: what may be shown at a moment, and where there is stock
    - `channels`: what a channel may not show
    - `feature_values`: the value of a feature
    """

    def __init__(
        self, release: Release, catalogue: Catalogue, levels: Levels | None = None
    ) -> None:
        """Look at all of a catalogue; `levels` are those of the release, if they are made."""
        self.release = release
        self.catalogue = catalogue
        self.made_at = catalogue.revision
        self._levels = Levels(release.vectors) if levels is None else levels
        self.rows = OfferRows(catalogue)
        self.release_items = ReleaseItems(release, self.rows)
        self.members = OfferMembers(catalogue, self.rows, self.release_items.weights)
        self.vectors = OfferVectors(
            release, catalogue, self.rows, self.release_items, self.members, self._levels
        )
        self.popularity = Popularity(release, self.release_items, self.rows)
        view = self.rows.entries(catalogue)
        entries = list(view)
        self._fits = self._new_items(entries)
        self.terms = RowTerms(entries)
        self.amounts = AmountColumns(entries)
        self.availability = Availability(
            view, self.terms, self.rows, self.release_items, self.members
        )
        self._ask(view)

    @classmethod
    def of_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], release: Release, catalogue: Catalogue
    ) -> "OfferIndex":
        """Return the index of a release and a catalogue whose `arrays` these are."""
        index = cls.__new__(cls)
        index.release, index.catalogue, index.made_at = release, catalogue, catalogue.revision
        index._levels = Levels.of_arrays(part("levels", arrays), release.vectors)
        index.rows = OfferRows.of_arrays(part("rows", arrays), catalogue)
        index.release_items = ReleaseItems.of_arrays(part("release_items", arrays), release)
        index.members = OfferMembers.of_arrays(part("members", arrays), index.rows)
        index.vectors = OfferVectors.of_arrays(
            part("vectors", arrays), release, index.rows, index._levels
        )
        index.popularity = Popularity(release, index.release_items, index.rows)
        new_items = part("new_items", arrays)
        index._fits = NewItems.of_arrays(new_items) if new_items else None
        view = index.rows.entries(catalogue)
        index.terms = RowTerms.of_arrays(part("terms", arrays))
        index.amounts = AmountColumns.of_arrays(part("amounts", arrays))
        index.availability = Availability.of_arrays(
            part("availability", arrays),
            view,
            index.terms,
            index.rows,
            index.release_items,
            index.members,
        )
        index._ask(view)
        return index

    def arrays(self) -> Arrays:
        """Return all that the index is made of but release and catalogue.

        The catalogue must be packed, and the index made of it as it is.
        """
        parts: dict[str, Any] = {
            "levels": self._levels,
            "rows": self.rows,
            "release_items": self.release_items,
            "members": self.members,
            "vectors": self.vectors,
            "terms": self.terms,
            "amounts": self.amounts,
            "availability": self.availability,
        }
        if self._fits is not None:
            parts["new_items"] = self._fits
        return dict(chain.from_iterable(nested(name, one.arrays()) for name, one in parts.items()))

    def _ask(self, view: Sequence[Row | None]) -> None:
        """Make what keeps only what it was asked for."""
        self.selections = SelectorMasks(view, self.rows.row_of, self.terms, self.amounts)
        self.channels = ChannelMasks(self.terms)
        self.feature_values = FeatureValues(view, self.terms)

    @property
    def new_items(self) -> NewItems | None:
        """Return how items that the release does not know fit a customer."""
        return self._fits if len(self.release_items.new_rows) else None

    def update(
        self, catalogue: Catalogue, anew: "Callable[[Catalogue], OfferIndex] | None" = None
    ) -> "OfferIndex":
        """Return the index of a later catalogue; it costs what changed.

        A change of price, stock or validity leaves every id, feature and membership as it was:
        then all that these decide is shared. Where much changed since the index was made, or the
        vacant rows are used up, all is made anew, by `anew` if it is given.
        """
        if anew is None:
            anew = self._anew
        changed = _changed(self, catalogue)
        if changed is None:
            return anew(catalogue)
        index = copy(self)
        index.catalogue = catalogue
        if changed.taking_items or changed.taking_sets:
            rows = self.rows.taking(changed.taking_items, changed.taking_sets)
            if rows is None or not index._take(rows, changed.taking_items):
                return anew(catalogue)
        changes = _row_changes(self, index, changed)
        index._read(self, changes)
        return index

    def over(self, catalogue: Catalogue) -> "OfferIndex":
        """Return the same over a catalogue that says the same, packed."""
        index = copy(self)
        index.catalogue = catalogue
        index._read(self, ())
        return index

    def _anew(self, catalogue: Catalogue) -> "OfferIndex":
        return OfferIndex(self.release, catalogue, self._levels)

    def _take(self, rows: OfferRows, items: Sequence[str]) -> bool:
        """Take over rows that are new; return whether all parts can."""
        before = self.rows
        moved = [row for item in items if (row := before.row_of_item(item)) is not None]
        self.rows = rows
        self.release_items = self.release_items.taking(rows, before.items_taken)
        self.members = self.members.taking(
            self.catalogue, rows, self.release_items.weights, before.sets_taken
        )
        vectors = self.vectors.taking(
            self.catalogue,
            rows,
            self.release_items,
            self.members,
            before,
            np.array(moved, np.int64),
        )
        if vectors is None:
            return False
        self.vectors = vectors
        self.popularity = self.popularity.taking(self.release_items, rows)
        return True

    def _read(self, before: "OfferIndex", changes: Sequence[RowChange]) -> None:
        """Make anew what changes of rows decide."""
        view = self.rows.entries(self.catalogue)
        self.terms, kinds = before.terms.updated(changes)
        self.amounts = before.amounts.updated(changes)
        self.selections = before.selections.updated(
            changes, view, self.rows.row_of, self.terms, self.amounts
        )
        self.availability = before.availability.updated(
            changes, view, self.terms, self.rows, self.release_items, self.members
        )
        if kinds & KINDS:
            self.channels = ChannelMasks(self.terms)
        features = [
            change for change in changes if _features(change.before) != _features(change.after)
        ]
        self.feature_values = before.feature_values.updated(
            view, self.terms, [row for row, _, _ in features]
        )
        if self._fits is not None:
            told = [
                FeatureChange(row, _features(was), _features(is_), self._buyers_of(row))
                for row, was, is_ in features
                if row < self.rows.item_count
            ]
            if told:
                self._fits = self._fits.updated(told, self.release_items.new_rows)

    def _buyers_of(self, row: int) -> float:
        there = self.release_items.row_of_item[row]
        buyers = self.release.buyers
        return float(buyers[there]) if there >= 0 and buyers is not None else 0.0

    def _new_items(self, entries: Sequence[Row | None]) -> NewItems | None:
        bought = self.release.buyers
        if bought is None:
            return None
        there = self.release_items.row_of_item
        buyers: Doubles = np.where(there >= 0, bought[there], 0.0)
        features = [_features(entry) for entry in entries[: self.rows.item_count]]
        return NewItems(features, buyers, self.release_items.new_rows)


def _features(row: Row | None) -> Features | None:
    return None if row is None else row.features


class _Changed(NamedTuple):
    """Ids of items and explicit offers that changed, and of those that take a new row.

    `were` are the items as they were, None where there was none.
    """

    items: Sequence[str]
    were: Sequence[Item | None]
    sets: Sequence[str]
    taking_items: Sequence[str]
    taking_sets: Sequence[str]


def _changed(index: OfferIndex, later: Catalogue) -> _Changed | None:
    """Return what differs; None where it is much, or rows would not stand for what they did."""
    before = index.catalogue
    items, sets = before.items.changed_in(later.items), before.offers.changed_in(later.offers)
    if items is None or sets is None:
        return None
    was = [*map(before.items.get, items)]
    new_items = [item for item, row in zip(items, was, strict=True) if row is None]
    new_sets = [name for name in sets if name not in before.offers]
    if len(later.items) != len(before.items) + len(new_items):
        return None
    if len(later.offers) != len(before.offers) + len(new_sets):
        return None
    # What the release knows lies where it has learnt, whatever its features are.
    moved = {
        item
        for item, row in zip(items, was, strict=True)
        if row is not None
        and row.features != later.items[item].features
        and item not in index.release.item_row
    }
    taking = sorted(moved.union(new_items))
    placed_anew = set(new_sets)
    placed_anew.update(
        name
        for name in sets
        if name in before.offers and before.offers[name].items != later.offers[name].items
    )
    for item in taking:
        placed_anew.update(
            name
            for name in index.members.naming(item)
            if (offer := later.offers.get(name)) is not None and item in offer.items
        )
    return _Changed(items, was, sets, taking, sorted(placed_anew))


def _row_changes(before: OfferIndex, after: OfferIndex, changed: _Changed) -> list[RowChange]:
    found: list[RowChange] = []
    for item, was in zip(changed.items, changed.were, strict=True):
        is_ = after.catalogue.items[item]
        new = after.rows.row_of_item(item)
        old = new if after.rows is before.rows else before.rows.row_of_item(item)
        found += _change(old, new, was, is_)
    for name in dict.fromkeys((*changed.sets, *changed.taking_sets)):
        had, has = before.catalogue.offers.get(name), after.catalogue.offers[name]
        found += _change(before.rows.row_of(name), after.rows.row_of(name), had, has)
    return found


def _change(old: int | None, new: int | None, was: Row | None, is_: Row) -> list[RowChange]:
    """Return the change of a row, or of the two where somebody moves."""
    assert new is not None, "every id of a later catalogue has a row"
    if old == new:
        return [RowChange(new, was, is_)]
    left = [] if old is None else [RowChange(old, was, None)]
    return [*left, RowChange(new, None, is_)]
