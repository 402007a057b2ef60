"""The catalogue: items and offers, a revisioned log of rows, and the snapshot decisions use.

Every item has a default offer, `item:` and its id, with the item's price, value and stock. A
withdrawn row stays as a tombstone against uploads that come late.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Literal, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.domain.names import DEFAULT_PREFIX
from models.domain.row_map import RowMap
from models.domain.string_table import StringTable
from models.numeric.array_file import Arrays, nested, part

# Marketing is held to caps and quiet hours; service is shown while a case is open, too;
# transactional passes all of these but counts.
OfferClass = Literal["marketing", "service", "transactional"]
OFFER_CLASSES: tuple[OfferClass, ...] = get_args(OfferClass)


class Money(msgspec.Struct, frozen=True, array_like=True):
    """`units` + `nanos` * 1e-9 of `currency` (ISO 4217)."""

    currency: str
    units: int
    nanos: int = 0


class Stock(msgspec.Struct, frozen=True, array_like=True):
    """How many there are at a place ("" = no place), counted at `as_of` (microseconds, UTC)."""

    place: str
    quantity: int
    as_of: int


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="item"):
    """What events are about and what the model learns.

    Its default offer is valid in [valid_from, valid_until), microseconds; its price until
    `price_until`, None for no end. The rest is as an `Offer` has it.
    """

    id: str
    title: str = ""
    features: dict[str, list[str]] = {}
    price: Money | None = None
    value: Money | None = None
    valid_from: int | None = None
    valid_until: int | None = None
    stock: tuple[Stock, ...] = ()
    withdrawn: bool = False
    price_until: int | None = None
    offer_class: OfferClass = "marketing"
    sensitivity: str = ""
    groups: tuple[str, ...] = ()


class Offer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="offer"):
    """What is shown: it targets one item or a set.

    Valid in [valid_from, valid_until), microseconds, its price until `price_until` (None: no end);
    empty `channels` means all; empty `stock` means not tracked. `creatives` are the words or the
    reference that each channel shows. `sensitivity` is a name that policies know ("health"),
    `groups` are names of what it belongs to. At most `volume` customers get it (None: any number).
    """

    id: str
    title: str = ""
    items: tuple[str, ...] = ()
    features: dict[str, list[str]] = {}
    price: Money | None = None
    value: Money | None = None
    valid_from: int | None = None
    valid_until: int | None = None
    channels: tuple[str, ...] = ()
    stock: tuple[Stock, ...] = ()
    withdrawn: bool = False
    price_until: int | None = None
    offer_class: OfferClass = "marketing"
    sensitivity: str = ""
    groups: tuple[str, ...] = ()
    creatives: dict[str, str] = {}
    volume: int | None = None


Row = Item | Offer


def default_offer(item: Item) -> Offer:
    """Return the offer that every item has."""
    return Offer(
        id=DEFAULT_PREFIX + item.id,
        title=item.title,
        items=(item.id,),
        price=item.price,
        value=item.value,
        valid_from=item.valid_from,
        valid_until=item.valid_until,
        withdrawn=item.withdrawn,
        price_until=item.price_until,
        offer_class=item.offer_class,
        sensitivity=item.sensitivity,
        groups=item.groups,
    )


def offer_id(row: "Row") -> str:
    """Return the id of an offer, or of the default offer of an item."""
    return row.id if isinstance(row, Offer) else DEFAULT_PREFIX + row.id


class Catalogue:
    """All items and explicit offers at one revision; immutable.

    `items` and `offers` map ids to rows, tombstones included.
    """

    def __init__(
        self, revision: int = 0, items: Mapping[str, Item] = {}, offers: Mapping[str, Offer] = {}
    ) -> None:
        self.revision = revision
        self.items = RowMap.of(items, Item)
        self.offers = RowMap.of(offers, Offer)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Catalogue":
        """Return the catalogue whose `arrays` these are."""
        items = RowMap.of_arrays(part("items", arrays), Item)
        offers = RowMap.of_arrays(part("offers", arrays), Offer)
        found = cls(int(arrays["revision"][0]), items, offers)
        currencies = StringTable.of_arrays(part("currencies", arrays))
        found._amounts = dict(zip(currencies, arrays["amounts"].tolist(), strict=True))
        ids = map(offers.ordered_ids().__getitem__, arrays["limited"].tolist())
        found.volumes = dict(zip(ids, arrays["volumes"].tolist(), strict=True))
        return found

    def arrays(self) -> Arrays:
        """Return all that the catalogue is made of; it must be `packed`."""
        return {
            "revision": np.array([self.revision], np.int64),
            **dict(nested("items", self.items.arrays())),
            **dict(nested("offers", self.offers.arrays())),
            **dict(nested("currencies", StringTable(self._amounts).arrays())),
            "amounts": np.array([*self._amounts.values()], np.int64),
            "limited": np.array([*map(self.offers.number, self.volumes)], np.int64),
            "volumes": np.array([*self.volumes.values()], np.int64),
        }

    @property
    def loose(self) -> bool:
        """Tell whether many rows are not packed."""
        return self.items.loose or self.offers.loose

    def packed(self) -> "Catalogue":
        """Return the same with every row packed."""
        found = Catalogue(self.revision, self.items.packed(), self.offers.packed())
        found._amounts = self._amounts
        found._keep(self, {})
        return found

    @cached_property
    def currencies(self) -> frozenset[str]:
        """The currencies of all prices and values of what is not withdrawn."""
        return frozenset(currency for currency, count in self._amounts.items() if count)

    @property
    def currency(self) -> str:
        """The one currency of all prices and values; "" where there is none or several."""
        return next(iter(self.currencies)) if len(self.currencies) == 1 else ""

    @cached_property
    def volumes(self) -> Mapping[str, int]:
        """The volume of each offer that has one and is not withdrawn."""
        return {
            name: volume
            for name, offer in self.offers.items()
            if (volume := _volume(offer)) is not None
        }

    @cached_property
    def item_ids(self) -> Sequence[str]:
        """The ids of all items, tombstones included, in order."""
        return self.items.ordered_ids()

    @cached_property
    def offer_ids(self) -> Sequence[str]:
        """The ids of all explicit offers, tombstones included, in order."""
        return self.offers.ordered_ids()

    @cached_property
    def _amounts(self) -> dict[str, int]:
        """How many prices and values there are in each currency."""
        counts: dict[str, int] = {}
        rows: Iterable[Row] = chain(self.items.rows(), self.offers.rows())
        for row in rows:
            _count(counts, row, 1)
        return counts

    def apply(self, revision: int, rows: Iterable[Row]) -> "Catalogue":
        """Return the catalogue of a later revision, with `rows` added or replaced.

        It costs what changed: all else is shared with this one.
        """
        items: dict[str, Item] = {}
        offers: dict[str, Offer] = {}
        for row in rows:
            if isinstance(row, Item):
                items[row.id] = row
            else:
                offers[row.id] = row
        counts = dict(self._amounts)
        new_items = sum(_recount(counts, self.items.get(name), row) for name, row in items.items())
        new_offers = sum(
            _recount(counts, self.offers.get(name), row) for name, row in offers.items()
        )
        catalogue = Catalogue(
            revision,
            self.items.updated(items, new_items),
            self.offers.updated(offers, new_offers),
        )
        catalogue._amounts = counts
        catalogue._keep(self, offers)
        return catalogue

    def rows_changed_in(self, later: "Catalogue") -> int:
        """Return how many objects of rows a later catalogue has that are not here."""
        items, offers = self.items.changed_in(later.items), self.offers.changed_in(later.offers)
        return len(items or ()) + len(offers or ())

    def _keep(self, before: "Catalogue", changed: Mapping[str, Offer]) -> None:
        """Take over what is known of the catalogue before, as far as it still holds."""
        known = before.__dict__
        # Ids that are sorted already, as those of packed rows are, need not be kept.
        if isinstance(known.get("item_ids"), list) and len(before.items) == len(self.items):
            self.item_ids = before.item_ids
        if isinstance(known.get("offer_ids"), list) and len(before.offers) == len(self.offers):
            self.offer_ids = before.offer_ids
        if "volumes" in known:
            told = {name: _volume(offer) for name, offer in changed.items()}
            if any(before.volumes.get(name) != volume for name, volume in told.items()):
                volumes = {**before.volumes, **told}
                self.volumes = {k: v for k, v in volumes.items() if v is not None}
            else:
                self.volumes = before.volumes

    def offer(self, offer_id: str) -> Offer | None:
        """Return the explicit or default offer of that id, withdrawn ones included."""
        if offer_id.startswith(DEFAULT_PREFIX):
            item = self.items.get(offer_id.removeprefix(DEFAULT_PREFIX))
            return None if item is None else default_offer(item)
        return self.offers.get(offer_id)

    def row(self, offer_id: str) -> "Row | None":
        """Return the explicit offer of that id, or the item whose default offer it is."""
        if offer_id.startswith(DEFAULT_PREFIX):
            return self.items.get(offer_id.removeprefix(DEFAULT_PREFIX))
        return self.offers.get(offer_id)


def _volume(offer: Offer) -> int | None:
    return None if offer.withdrawn else offer.volume


def _recount(counts: dict[str, int], before: Row | None, after: Row) -> bool:
    """Count the currencies of a row instead of those of before; tell whether there was none."""
    if before is None:
        _count(counts, after, 1)
        return True
    amounts = before.price, before.value, before.withdrawn
    if amounts != (after.price, after.value, after.withdrawn):
        _count(counts, before, -1)
        _count(counts, after, 1)
    return False


def _count(counts: dict[str, int], row: Row | None, by: int) -> None:
    """Count the currencies of a row that is there."""
    if row is None or row.withdrawn:
        return
    for money in (row.price, row.value):
        if money is not None:
            counts[money.currency] = counts.get(money.currency, 0) + by


def in_stock(stock: tuple[Stock, ...], place: str) -> bool:
    """Tell whether there is stock at `place`, or anywhere when `place` is empty.

    No entries means that stock is not tracked. Entries mean that it is stocked there only.
    """
    if not stock:
        return True
    return any(entry.quantity > 0 and place in ("", entry.place) for entry in stock)


def stock_age(stock: tuple[Stock, ...], place: str) -> int | None:
    """Return when the stock at `place` (anywhere when empty) was last counted; None if never."""
    counted = [entry.as_of for entry in stock if place in ("", entry.place)]
    return max(counted, default=None)
