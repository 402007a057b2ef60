"""Between the messages of OfferService and the rows of the catalogue."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from throughline.v1 import offer_pb2

from models.domain.catalogue import Item, Offer, OfferClass
from models.domain.input.catalogue import item_id_fault, offer_id_fault
from service.contract import limits
from service.contract.catalogue_fields import ITEM_FIELDS, OFFER_FIELDS, Reading, read_fields
from service.contract.common_messages import fill_money
from service.contract.names import Names
from service.contract.validation import Check

_CLASS_VALUES: dict[OfferClass, offer_pb2.OfferClass.ValueType] = {
    "marketing": offer_pb2.OFFER_CLASS_MARKETING,
    "service": offer_pb2.OFFER_CLASS_SERVICE,
    "transactional": offer_pb2.OFFER_CLASS_TRANSACTIONAL,
}


class RowChange(NamedTuple):
    """One item or offer of an upsert: where it stands, its id, and the fields that it gives.

    `fields` are values by their names in the catalogue's rows.
    """

    at: str
    id: str
    fields: Mapping[str, Any]


def read_items(
    check: Check,
    messages: Sequence[offer_pb2.Item],
    names: Names,
    now: int,
    mask: Collection[str] = (),
) -> list[RowChange]:
    """Read items to upsert, of each the fields of `mask` (none: all).

    Stock without a time was counted `now` (microseconds).
    """
    if not check.size("items", messages, limits.UPSERT, minimum=1):
        return []
    _no_duplicates(check, "items", "item_id", [message.item_id for message in messages])
    found = []
    for number, message in enumerate(messages):
        one = Reading(check, f"items[{number}]", message, names, now)
        check.fault(one.path("item_id"), item_id_fault(message.item_id))
        fields = read_fields(one, ITEM_FIELDS, mask)
        found.append(RowChange(one.at, message.item_id, fields))
    return found


def read_offers(
    check: Check,
    messages: Sequence[offer_pb2.Offer],
    names: Names,
    now: int,
    mask: Collection[str] = (),
) -> list[RowChange]:
    """Read offers to upsert, as `read_items` does items."""
    if not check.size("offers", messages, limits.UPSERT, minimum=1):
        return []
    _no_duplicates(check, "offers", "offer_id", [message.offer_id for message in messages])
    found = []
    for number, message in enumerate(messages):
        one = Reading(check, f"offers[{number}]", message, names, now)
        check.fault(one.path("offer_id"), offer_id_fault(message.offer_id))
        fields = read_fields(one, OFFER_FIELDS, mask)
        found.append(RowChange(one.at, message.offer_id, fields))
    return found


def item_message(item: Item) -> offer_pb2.Item:
    """Return the message of an item."""
    message = offer_pb2.Item(item_id=item.id, title=item.title)
    _fill(message, item)
    return message


def offer_message(offer: Offer) -> offer_pb2.Offer:
    """Return the message of an offer."""
    message = offer_pb2.Offer(
        offer_id=offer.id,
        title=offer.title,
        item_ids=offer.items,
        channels=offer.channels,
        creatives=offer.creatives,
        volume=offer.volume,
    )
    _fill(message, offer)
    return message


def _fill(message: offer_pb2.Item | offer_pb2.Offer, row: Item | Offer) -> None:
    for name, values in row.features.items():
        message.features[name].values.extend(values)
    if row.price is not None:
        fill_money(message.price, row.price)
    if row.value is not None:
        fill_money(message.value, row.value)
    if row.valid_from is not None:
        message.valid_from.FromMicroseconds(row.valid_from)
    if row.valid_until is not None:
        message.valid_until.FromMicroseconds(row.valid_until)
    for entry in row.stock:
        message.stock.add(place=entry.place, quantity=entry.quantity).as_of.FromMicroseconds(
            entry.as_of
        )
    if row.price_until is not None:
        message.price_until.FromMicroseconds(row.price_until)
    message.offer_class = _CLASS_VALUES[row.offer_class]
    message.sensitivity = row.sensitivity
    message.groups.extend(row.groups)


def _no_duplicates(check: Check, field: str, name: str, ids: list[str]) -> None:
    first: dict[str, int] = {}
    for at, value in enumerate(ids):
        before = first.setdefault(value, at)
        if before != at:
            check.add_violation(f"{field}[{at}].{name}", f"duplicate of {field}[{before}]")
