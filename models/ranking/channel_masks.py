"""Which offers a channel may not show: those made for others, and those it has no creative for."""

from models.numeric.array_types import Mask
from models.policy.row_terms import ANY, CHANNEL, CREATIVE, RowTerms

CHANNELS_KEPT = 64  # channels whose masks are kept
KINDS = frozenset({CHANNEL, CREATIVE})  # the terms that these masks are made of


class ChannelMasks:
    """Answers for all offers of one catalogue; what it was asked before is kept.

    Default offers of items are for every channel and have no creatives.
    """

    def __init__(self, terms: RowTerms) -> None:
        self._terms = terms
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
            found = self._without(CHANNEL, channel), self._without(CREATIVE, channel)
            if len(self._kept) < CHANNELS_KEPT:
                self._kept[channel] = found
        return found

    def _without(self, kind: str, channel: str) -> Mask:
        mask = self._terms.mask(kind, (ANY,))
        mask[self._terms.rows(kind, channel)] = False
        return mask
