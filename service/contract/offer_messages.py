"""Between the messages of OfferService and the rows of the catalogue."""

from collections.abc import Sequence

from google.protobuf.internal.containers import MessageMap, ScalarMap
from throughline.v1 import common_pb2, offer_pb2

from models.domain.catalogue import DEFAULT_PREFIX, Item, Money, Offer, OfferClass, Stock
from service.contract import limits
from service.contract.common_messages import fill_money
from service.contract.names import Names
from service.contract.validation import Check

_CLASSES: dict[int, OfferClass] = {
    offer_pb2.OFFER_CLASS_UNSPECIFIED: "marketing",
    offer_pb2.OFFER_CLASS_MARKETING: "marketing",
    offer_pb2.OFFER_CLASS_SERVICE: "service",
    offer_pb2.OFFER_CLASS_TRANSACTIONAL: "transactional",
}
_CLASS_VALUES: dict[OfferClass, offer_pb2.OfferClass.ValueType] = {
    "marketing": offer_pb2.OFFER_CLASS_MARKETING,
    "service": offer_pb2.OFFER_CLASS_SERVICE,
    "transactional": offer_pb2.OFFER_CLASS_TRANSACTIONAL,
}


def read_items(check: Check, messages: Sequence[offer_pb2.Item], now: int) -> list[Item]:
    """Read items to upsert; stock without a time was counted `now`."""
    if not check.size("items", messages, limits.UPSERT, minimum=1):
        return []
    _no_duplicates(check, "items", "item_id", [message.item_id for message in messages])
    return [_item_of(check, f"items[{at}]", message, now) for at, message in enumerate(messages)]


def read_offers(
    check: Check, messages: Sequence[offer_pb2.Offer], names: Names, now: int
) -> list[Offer]:
    """Read offers to upsert; stock without a time was counted `now`."""
    if not check.size("offers", messages, limits.UPSERT, minimum=1):
        return []
    _no_duplicates(check, "offers", "offer_id", [message.offer_id for message in messages])
    return [
        _offer_of(check, f"offers[{at}]", message, names, now)
        for at, message in enumerate(messages)
    ]


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


def _item_of(check: Check, at: str, message: offer_pb2.Item, now: int) -> Item:
    price, value = _price_and_value(check, at, message)
    valid_from, valid_until = _validity(check, at, message)
    return Item(
        id=check.id(f"{at}.item_id", message.item_id),
        title=check.text(f"{at}.title", message.title, limits.TITLE_BYTES),
        features=_features(check, f"{at}.features", message.features),
        price=price,
        value=value,
        valid_from=valid_from,
        valid_until=valid_until,
        stock=_stock(check, f"{at}.stock", message.stock, now),
        price_until=_price_until(check, at, message, valid_from),
        offer_class=_class(check, at, message),
        sensitivity=check.name(f"{at}.sensitivity", message.sensitivity, required=False),
        groups=_groups(check, f"{at}.groups", message.groups),
    )


def _offer_of(check: Check, at: str, message: offer_pb2.Offer, names: Names, now: int) -> Offer:
    check.id(f"{at}.offer_id", message.offer_id)
    if message.offer_id.startswith(DEFAULT_PREFIX):
        check.add_violation(f"{at}.offer_id", f"starts with {DEFAULT_PREFIX}")
    if check.size(f"{at}.item_ids", message.item_ids, limits.OFFER_ITEMS, minimum=1):
        for number, item in enumerate(message.item_ids):
            check.id(f"{at}.item_ids[{number}]", item)
    if check.size(f"{at}.channels", message.channels, len(names.channels)):
        for number, channel in enumerate(message.channels):
            check.name(f"{at}.channels[{number}]", channel, names.channels)
    valid_from, valid_until = _validity(check, at, message)
    price, value = _price_and_value(check, at, message)
    return Offer(
        id=message.offer_id,
        title=check.text(f"{at}.title", message.title, limits.TITLE_BYTES),
        items=tuple(dict.fromkeys(message.item_ids)),
        features=_features(check, f"{at}.features", message.features),
        price=price,
        value=value,
        valid_from=valid_from,
        valid_until=valid_until,
        channels=tuple(sorted(set(message.channels))),
        stock=_stock(check, f"{at}.stock", message.stock, now),
        price_until=_price_until(check, at, message, valid_from),
        offer_class=_class(check, at, message),
        sensitivity=check.name(f"{at}.sensitivity", message.sensitivity, required=False),
        groups=_groups(check, f"{at}.groups", message.groups),
        creatives=_creatives(check, f"{at}.creatives", message.creatives, names),
        volume=_volume(check, f"{at}.volume", message),
    )


def _validity(
    check: Check, at: str, message: offer_pb2.Item | offer_pb2.Offer
) -> tuple[int | None, int | None]:
    valid_from = valid_until = None
    if message.HasField("valid_from"):
        valid_from = check.time(f"{at}.valid_from", message.valid_from)
    if message.HasField("valid_until"):
        valid_until = check.time(f"{at}.valid_until", message.valid_until)
    if valid_from is not None and valid_until is not None and valid_until <= valid_from:
        check.add_violation(f"{at}.valid_until", "not after valid_from")
    return valid_from, valid_until


def _price_and_value(
    check: Check, at: str, message: offer_pb2.Item | offer_pb2.Offer
) -> tuple[Money | None, Money | None]:
    price = check.money(f"{at}.price", message.price) if message.HasField("price") else None
    value = check.money(f"{at}.value", message.value) if message.HasField("value") else None
    if price is not None and value is not None and price.currency != value.currency:
        check.add_violation(f"{at}.value.currency", "not the price's")
    return price, value


def _price_until(
    check: Check, at: str, message: offer_pb2.Item | offer_pb2.Offer, valid_from: int | None
) -> int | None:
    if not message.HasField("price_until"):
        return None
    until = check.time(f"{at}.price_until", message.price_until)
    if not message.HasField("price"):
        check.add_violation(f"{at}.price_until", "without a price")
    if valid_from is not None and until <= valid_from:
        check.add_violation(f"{at}.price_until", "not after valid_from")
    return until


def _class(check: Check, at: str, message: offer_pb2.Item | offer_pb2.Offer) -> OfferClass:
    if message.offer_class not in _CLASSES:
        check.add_violation(f"{at}.offer_class", "unknown value")
    return _CLASSES.get(message.offer_class, "marketing")


def _groups(check: Check, at: str, groups: Sequence[str]) -> tuple[str, ...]:
    if check.size(at, groups, limits.GROUPS):
        for number, group in enumerate(groups):
            check.name(f"{at}[{number}]", group)
    return tuple(sorted(set(groups)))


def _creatives(
    check: Check, at: str, creatives: ScalarMap[str, str], names: Names
) -> dict[str, str]:
    if not check.size(at, creatives, len(names.channels)):
        return {}
    for channel in sorted(creatives):
        check.name(f"{at}.key", channel, names.channels)
        check.text(f"{at}.value", creatives[channel], limits.CREATIVE_BYTES, required=True)
    return dict(sorted(creatives.items()))


def _volume(check: Check, at: str, message: offer_pb2.Offer) -> int | None:
    if not message.HasField("volume"):
        return None
    if message.volume == 0:
        check.add_violation(at, "too small; min 1")
    check.number(at, message.volume, limits.VOLUME)
    return message.volume


def _features(
    check: Check, at: str, features: MessageMap[str, offer_pb2.FeatureValues]
) -> dict[str, list[str]]:
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


def _stock(
    check: Check, at: str, entries: Sequence[common_pb2.Stock], now: int
) -> tuple[Stock, ...]:
    if not check.size(at, entries, limits.STOCK_ENTRIES):
        return ()
    read: dict[str, Stock] = {}
    for number, entry in enumerate(entries):
        place = check.text(f"{at}[{number}].place", entry.place, limits.PLACE_BYTES)
        if place in read:
            check.add_violation(f"{at}[{number}].place", "twice")
        if entry.quantity < 0:
            check.add_violation(f"{at}[{number}].quantity", "negative")
        counted = now
        if entry.HasField("as_of"):
            counted = check.time(f"{at}[{number}].as_of", entry.as_of)
        read[place] = Stock(place, entry.quantity, counted)
    return tuple(read[place] for place in sorted(read))


def _no_duplicates(check: Check, field: str, name: str, ids: list[str]) -> None:
    first: dict[str, int] = {}
    for at, value in enumerate(ids):
        before = first.setdefault(value, at)
        if before != at:
            check.add_violation(f"{field}[{at}].{name}", f"duplicate of {field}[{before}]")
