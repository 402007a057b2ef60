"""Which offers a channel may not show: those made for others, and those it has no creative for."""

import numpy as np

from models.domain.catalogue import Catalogue
from models.numeric.array_types import Mask
from models.ranking.offer_rows import OfferRows

CHANNELS_KEPT = 64  # channels whose masks are kept


class ChannelMasks:
    """Answers for all offers of one catalogue; what it was asked before is kept.

    Default offers of items are for every channel and have no creatives.
    """

    def __init__(self, catalogue: Catalogue, offers: OfferRows) -> None:
        self._catalogue = catalogue
        self._offers = offers
        self._kept: dict[str, tuple[Mask, Mask]] = {}

    def kept_from(self, channel: str) -> Mask:
        """Return which rows are for other channels only."""
        return self._masks(channel)[0]

    def without_creative(self, channel: str) -> Mask:
        """Return which rows have creatives, and none for `channel`."""
        return self._masks(channel)[1]

    def _masks(self, channel: str) -> tuple[Mask, Mask]:
        found = self._kept.get(channel)
        if found is None:
            elsewhere, without = np.zeros((2, len(self._offers)), np.bool_)
            for row, offer_id in enumerate(self._offers.set_ids, self._offers.item_count):
                offer = self._catalogue.offers[offer_id]
                elsewhere[row] = bool(offer.channels) and channel not in offer.channels
                without[row] = bool(offer.creatives) and channel not in offer.creatives
            found = elsewhere, without
            if len(self._kept) < CHANNELS_KEPT:
                self._kept[channel] = found
        return found
