"""The offers of a catalogue, placed in a release's space and made searchable.

`OfferIndex` joins one release with one catalogue. It holds a part for each thing that is asked of
offers; all parts speak of offers by the same row numbers.
"""

from collections.abc import Sequence
from copy import copy

import numpy as np

from models.domain.catalogue import Catalogue, Row
from models.policy.selector_masks import SelectorMasks
from models.ranking.availability import Availability
from models.ranking.channel_masks import ChannelMasks
from models.ranking.feature_values import FeatureValues
from models.ranking.offer_members import OfferMembers
from models.ranking.offer_rows import OfferRows
from models.ranking.offer_vectors import OfferVectors
from models.ranking.popularity import Popularity
from models.ranking.release_items import ReleaseItems
from models.recommender.new_items import NewItems
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

    What each change of the catalogue may decide anew:

    - `selections`: which rows a selector is about
    - `availability`: what may be shown at a moment, and where there is stock
    - `channels`: what a channel may not show
    - `feature_values`: the value of a feature
    """

    def __init__(self, release: Release, catalogue: Catalogue) -> None:
        self.release = release
        self.catalogue = catalogue
        self.rows = OfferRows(catalogue)
        self.release_items = ReleaseItems(release, self.rows)
        self.members = OfferMembers(catalogue, self.rows, self.release_items.weights)
        self.vectors = OfferVectors(release, catalogue, self.rows, self.release_items, self.members)
        self.popularity = Popularity(release, self.release_items)
        self.new_items = _new_items(release, catalogue, self.rows, self.release_items)
        entries = self.rows.entries(catalogue)
        self.selections = SelectorMasks(entries)
        self.feature_values = FeatureValues(entries)
        self._read(entries)

    def update(self, catalogue: Catalogue) -> "OfferIndex":
        """Return the index of a later catalogue.

        A change of price, stock or validity leaves every id, feature and membership as it was:
        then all that these decide is shared.
        """
        if not _same_offers(self.catalogue, catalogue):
            return OfferIndex(self.release, catalogue)
        index = copy(self)
        index.catalogue = catalogue
        entries = self.rows.entries(catalogue)
        index.selections = self.selections.updated(entries)
        index.feature_values = self.feature_values.updated(entries)
        index._read(entries)
        return index

    def _read(self, entries: Sequence[Row]) -> None:
        """Make anew what any change of the catalogue may decide; `entries` are what it says."""
        self.availability = Availability(entries, self.rows, self.release_items, self.members)
        self.channels = ChannelMasks(self.catalogue, self.rows)


def _new_items(
    release: Release, catalogue: Catalogue, offers: OfferRows, release_items: ReleaseItems
) -> NewItems | None:
    stage = release.second_stage
    if stage is None or not len(release_items.new_rows):
        return None
    known = release_items.known
    buyers = np.zeros(offers.item_count)
    buyers[known] = stage.retrieval.buyers[release_items.row_of_item[known]]
    features = [catalogue.items[item_id].features for item_id in offers.item_ids]
    return NewItems(features, buyers, release_items.new_rows)


def _same_offers(before: Catalogue, after: Catalogue) -> bool:
    """Tell whether no id, feature of an item, or membership differs."""
    if before.items.keys() != after.items.keys() or before.offers.keys() != after.offers.keys():
        return False
    return all(
        row is before.items[key] or row.features == before.items[key].features
        for key, row in after.items.items()
    ) and all(
        row is before.offers[key] or row.items == before.offers[key].items
        for key, row in after.offers.items()
    )
