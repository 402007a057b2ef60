"""The fields of items and offers of OfferService, each by itself: how it is read and checked.

What several fields have to agree on is checked of the whole row, which may be stored in part.
"""

from collections.abc import Callable, Collection, Mapping, Set
from operator import attrgetter
from typing import Any, NamedTuple

from throughline.v1 import offer_pb2

from models.domain.catalogue import Money, OfferClass, Row, Stock
from models.domain.input.catalogue import (
    agreement_faults,
    channels_faults,
    class_fault,
    creatives_faults,
    features_faults,
    groups_faults,
    item_ids_faults,
    stock_faults,
    title_fault,
    volume_fault,
)
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
    one.check.fault(one.path("title"), title_fault(one.message.title))
    title: str = one.message.title
    return title


def _features(one: Reading) -> dict[str, list[str]]:
    features = one.message.features
    read = {name: list(features[name].values) for name in sorted(features)}
    one.check.faults(one.path("features"), features_faults(read))
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
    check, at = one.check, one.path("stock")
    read = []
    for number, entry in enumerate(one.message.stock):
        counted = one.now
        if entry.HasField("as_of"):
            counted = check.time(f"{at}[{number}].as_of", entry.as_of)
        read.append(Stock(entry.place, entry.quantity, counted))
    check.faults(at, stock_faults(read))
    return tuple(sorted(read, key=attrgetter("place")))


def _class(one: Reading) -> OfferClass:
    if one.message.offer_class not in CLASSES:
        one.check.fault(one.path("offer_class"), class_fault(""))
    return CLASSES.get(one.message.offer_class, "marketing")


def _sensitivity(one: Reading) -> str:
    return one.check.name(one.path("sensitivity"), one.message.sensitivity, required=False)


def _groups(one: Reading) -> tuple[str, ...]:
    one.check.faults(one.path("groups"), groups_faults(one.message.groups))
    return tuple(sorted(set(one.message.groups)))


def _item_ids(one: Reading) -> tuple[str, ...]:
    one.check.faults(one.path("item_ids"), item_ids_faults(one.message.item_ids))
    return tuple(dict.fromkeys(one.message.item_ids))


def _channels(one: Reading) -> tuple[str, ...]:
    channels = one.message.channels
    one.check.faults(one.path("channels"), channels_faults(channels, one.names.channels))
    return tuple(sorted(set(channels)))


def _creatives(one: Reading) -> dict[str, str]:
    creatives = dict(sorted(one.message.creatives.items()))
    one.check.faults(one.path("creatives"), creatives_faults(creatives, one.names.channels))
    return creatives


def _volume(one: Reading) -> int | None:
    if not one.message.HasField("volume"):
        return None
    volume: int = one.message.volume
    one.check.fault(one.path("volume"), volume_fault(volume))
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
    for fault, pair in agreement_faults(**{name: values[name] for name in _AGREEING}):
        if not given.isdisjoint(pair):
            check.add_violation(f"{at}.{fault.at}", fault.reason)


_LAST_AGREEING = [*_AGREEING][-1]
