"""Which offer stands in which row: all arrays over a catalogue are in the order of these numbers.

Default offers of items come first, so that the row of an item and of its offer are the same number.
"""

import numpy as np

from models.domain.catalogue import DEFAULT_PREFIX, Catalogue, Row
from models.numeric.array_types import Rows


class OfferRows:
    """The offers of a catalogue by row; immutable.

    Rows 0 to `item_count` - 1 are the items of `item_ids` and their default offers, the rows after
    them the explicit offers of `set_ids`, each over one item or several; both are in the order of
    their ids. `ids` are the ids of all offers by row. `tie_ranks` (rows,) are the places of these
    ids in their order: of equal scores the lesser stands first.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.item_ids = sorted(catalogue.items)
        self.set_ids = sorted(catalogue.offers)
        self.item_count = len(self.item_ids)
        self.ids = [*(DEFAULT_PREFIX + item_id for item_id in self.item_ids), *self.set_ids]
        self.item_row = {item_id: row for row, item_id in enumerate(self.item_ids)}
        self._set_row = {name: row for row, name in enumerate(self.set_ids, self.item_count)}
        self.tie_ranks = _places_in_order(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def row_of(self, offer_id: str) -> int | None:
        """Return the row of an offer, or None where the catalogue does not have it."""
        if offer_id.startswith(DEFAULT_PREFIX):
            return self.item_row.get(offer_id.removeprefix(DEFAULT_PREFIX))
        return self._set_row.get(offer_id)

    def entries(self, catalogue: Catalogue) -> list[Row]:
        """Return what `catalogue`, of the same ids, says of each row: an item, or an offer."""
        return [
            *(catalogue.items[item_id] for item_id in self.item_ids),
            *(catalogue.offers[offer_id] for offer_id in self.set_ids),
        ]


def _places_in_order(ids: list[str]) -> Rows:
    """Return the place of each id among all of them, sorted."""
    places = np.empty(len(ids), np.int64)
    places[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    return places
