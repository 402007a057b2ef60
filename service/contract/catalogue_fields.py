"""The fields of items and offers of OfferService, each by itself: how it is read and checked.

What several fields have to agree on is checked of the whole row, which may be stored in part.
"""

from collections.abc import Callable, Collection, Mapping, Set
from typing import Any, NamedTuple

from throughline.v1 import offer_pb2

from models.domain.catalogue import Money, OfferClass, Row, Stock
from service.contract import limits
from service.contract.names import Names
from service.contract.validation import Check

CLASSES: dict[int, OfferClass] = {
    offer_pb2.OFFER_CLASS_UNSPECIFIED: "marketing",
    offer_pb2.OFFER_CLASS_MARKETING: "marketing",
    offer_pb2.OFFER_CLASS_SERVICE: "service",
    offer_pb2.OFFER_CLASS_TRANSACTIONAL: "transactional",
}


class Reading(NamedTuple):
    """One message, where it stands in its request, and what its fields are read by.

    Stock without a time was counted `now` (microseconds).
    """

    check: Check
    at: str
    message: Any  # offer_pb2.Item or offer_pb2.Offer
    names: Names
    now: int

    def path(self, field: str) -> str:
        """Return where a field stands."""
        return f"{self.at}.{field}"


def _title(one: Reading) -> str:
    return one.check.text(one.path("title"), one.message.title, limits.TITLE_BYTES)


def _features(one: Reading) -> dict[str, list[str]]:
    check, at, features = one.check, one.path("features"), one.message.features
    if not check.size(at, features, limits.FEATURES):
        return {}
    read = {}
    for name in sorted(features):
        check.text(f"{at}.key", name, limits.FEATURE_NAME_BYTES, required=True)
        values = features[name].values
        if check.size(f"{at}.values", values, limits.FEATURE_VALUES, minimum=1):
            for value in values:
                check.text(f"{at}.values", value, limits.FEATURE_VALUE_BYTES, required=True)
        read[name] = list(values)
    return read


def _money(field: str) -> Callable[[Reading], Money | None]:
    def read(one: Reading) -> Money | None:
        if not one.message.HasField(field):
            return None
        return one.check.money(one.path(field), getattr(one.message, field))

    return read


def _time(field: str) -> Callable[[Reading], int | None]:
    def read(one: Reading) -> int | None:
        if not one.message.HasField(field):
            return None
        return one.check.time(one.path(field), getattr(one.message, field))

    return read


def _stock(one: Reading) -> tuple[Stock, ...]:
    check, at, entries = one.check, one.path("stock"), one.message.stock
    if not check.size(at, entries, limits.STOCK_ENTRIES):
        return ()
    read: dict[str, Stock] = {}
    for number, entry in enumerate(entries):
        place = check.text(f"{at}[{number}].place", entry.place, limits.PLACE_BYTES)
        if place in read:
            check.add_violation(f"{at}[{number}].place", "twice")
        if entry.quantity < 0:
            check.add_violation(f"{at}[{number}].quantity", "negative")
        counted = one.now
        if entry.HasField("as_of"):
            counted = check.time(f"{at}[{number}].as_of", entry.as_of)
        read[place] = Stock(place, entry.quantity, counted)
    return tuple(read[place] for place in sorted(read))


def _class(one: Reading) -> OfferClass:
    if one.message.offer_class not in CLASSES:
        one.check.add_violation(one.path("offer_class"), "unknown value")
    return CLASSES.get(one.message.offer_class, "marketing")


def _sensitivity(one: Reading) -> str:
    return one.check.name(one.path("sensitivity"), one.message.sensitivity, required=False)


def _groups(one: Reading) -> tuple[str, ...]:
    check, at, groups = one.check, one.path("groups"), one.message.groups
    if check.size(at, groups, limits.GROUPS):
        for number, group in enumerate(groups):
            check.name(f"{at}[{number}]", group)
    return tuple(sorted(set(groups)))


def _item_ids(one: Reading) -> tuple[str, ...]:
    check, at, ids = one.check, one.path("item_ids"), one.message.item_ids
    if check.size(at, ids, limits.OFFER_ITEMS, minimum=1):
        for number, item in enumerate(ids):
            check.id(f"{at}[{number}]", item)
    return tuple(dict.fromkeys(ids))


def _channels(one: Reading) -> tuple[str, ...]:
    check, at, channels = one.check, one.path("channels"), one.message.channels
    if check.size(at, channels, len(one.names.channels)):
        for number, channel in enumerate(channels):
            check.name(f"{at}[{number}]", channel, one.names.channels)
    return tuple(sorted(set(channels)))


def _creatives(one: Reading) -> dict[str, str]:
    check, at, creatives = one.check, one.path("creatives"), one.message.creatives
    if not check.size(at, creatives, len(one.names.channels)):
        return {}
    for channel in sorted(creatives):
        check.name(f"{at}.key", channel, one.names.channels)
        check.text(f"{at}.value", creatives[channel], limits.CREATIVE_BYTES, required=True)
    return dict(sorted(creatives.items()))


def _volume(one: Reading) -> int | None:
    message, at = one.message, one.path("volume")
    if not message.HasField("volume"):
        return None
    if message.volume == 0:
        one.check.add_violation(at, "too small; min 1")
    one.check.number(at, message.volume, limits.VOLUME)
    volume: int = message.volume
    return volume


class Field(NamedTuple):
    """A field of the contract: its name in the catalogue's row, and how it is read."""

    name: str
    read: Callable[[Reading], object]


_AGREEING: dict[str, Callable[[Reading], object]] = {
    "valid_from": _time("valid_from"),
    "valid_until": _time("valid_until"),
    "price": _money("price"),
    "value": _money("value"),
    "price_until": _time("price_until"),
}
_ALONE: dict[str, Callable[[Reading], object]] = {
    "title": _title,
    "features": _features,
    "stock": _stock,
    "offer_class": _class,
    "sensitivity": _sensitivity,
    "groups": _groups,
}

# All fields but the id, by their names in the contract, in the order in which they are checked.
ITEM_FIELDS: Mapping[str, Field] = {
    name: Field(name, read) for name, read in (_AGREEING | _ALONE).items()
}
OFFER_FIELDS: Mapping[str, Field] = {
    "item_ids": Field("items", _item_ids),
    "channels": Field("channels", _channels),
    **ITEM_FIELDS,
    "creatives": Field("creatives", _creatives),
    "volume": Field("volume", _volume),
}


def read_fields(
    one: Reading, fields: Mapping[str, Field], mask: Collection[str]
) -> dict[str, object]:
    """Return what a message gives, by names in the catalogue: the fields of `mask`, or all.

    Given all, those that have to agree are checked for that.
    """
    if mask:
        return {fields[name].name: fields[name].read(one) for name in mask if name in fields}
    found: dict[str, object] = {}
    for name, field in fields.items():
        found[field.name] = field.read(one)
        if name == _LAST_AGREEING:
            check_agreement(one.check, one.at, found, _AGREEING.keys())
    return found


def agreeing(row: Row) -> dict[str, object]:
    """Return the fields of a row that have to agree."""
    return {name: getattr(row, name) for name in _AGREEING}


def check_agreement(check: Check, at: str, values: Mapping[str, Any], given: Set[str]) -> None:
    """Check that fields agree with each other, as far as one of each pair is `given`.

    What a row was stored with before is not the fault of who changes something else of it.
    """
    start, end = values["valid_from"], values["valid_until"]
    price, value, price_end = values["price"], values["value"], values["price_until"]

    def refuse(field: str, reason: str, *pair: str) -> None:
        if not given.isdisjoint(pair):
            check.add_violation(f"{at}.{field}", reason)

    if _not_after(end, start):
        refuse("valid_until", "not after valid_from", "valid_from", "valid_until")
    if price is not None and value is not None and price.currency != value.currency:
        refuse("value.currency", "not the price's", "price", "value")
    if price_end is not None and price is None:
        refuse("price_until", "without a price", "price", "price_until")
    if _not_after(price_end, start):
        refuse("price_until", "not after valid_from", "valid_from", "price_until")


def _not_after(until: int | None, start: int | None) -> bool:
    return until is not None and start is not None and until <= start


_LAST_AGREEING = [*_AGREEING][-1]
