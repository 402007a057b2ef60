"""Between rows of a dataset and what a store keeps: events, items, offers, links, decisions.

Rows are tuples in the order of the declarations in models/domain/dataset.py; times are in
microseconds.
"""

from typing import TypedDict

import msgspec

from models.domain.catalogue import (
    OFFER_CLASSES,
    Item,
    Money,
    Offer,
    OfferClass,
    Row,
)
from models.domain.decisions import DecisionRecord
from models.domain.events import Event
from models.domain.input.catalogue import class_fault
from models.domain.input.money import currency_fault
from models.domain.profile import Link, Unlink
from models.errors import BadInput
from service.dataset.parquet import Values
from service.dataset.stock_json import stock_from_json, stock_to_json
from service.store.customers.known_identifiers import KnownIdentifier

KEYED_NAMESPACE = "keyed"  # in the namespace columns of a dataset of keyed identifiers

_Value = str | bool | int | float
_features = msgspec.json.Decoder(dict[str, _Value | list[_Value]])
_texts = msgspec.json.Decoder(dict[str, str])


class _Terms(TypedDict):
    price_until: int | None
    offer_class: OfferClass
    sensitivity: str
    groups: tuple[str, ...]


_json = msgspec.json.Encoder(order="deterministic")


def event_from_row(row: Values, identifier: bytes) -> Event:
    """Return the event of a row of `events`, under the keyed hash of its identifier."""
    event_id, _, _, type_, channel, time, sequence, item, offer, placement, place = row[:11]
    quantity, units, nanos, currency, decision_id, attributes = row[11:17]
    of_event, receipt, discount_units, discount_nanos = row[17:]
    return Event(
        event_id=event_id,
        identifier=identifier,
        type=type_,
        channel=channel,
        time=time,
        sequence=sequence,
        item=item or "",
        offer=offer or "",
        placement=placement or "",
        place=place or "",
        quantity=quantity or 0.0,
        amount_units=units or 0,
        amount_nanos=nanos or 0,
        currency=currency or "",
        decision_id=decision_id or "",
        attributes={} if attributes is None else attributes_from_json(attributes),
        of_event=of_event or "",
        receipt=receipt or "",
        discount_units=discount_units or 0,
        discount_nanos=discount_nanos or 0,
    )


def event_row(event: Event) -> Values:
    """Return the row of `events` that `event_from_row` turns into `event` again."""
    paid = bool(event.currency or event.amount_units or event.amount_nanos)
    reduced = bool(event.discount_units or event.discount_nanos)
    return (
        event.event_id,
        KEYED_NAMESPACE,
        event.identifier.hex(),
        event.type,
        event.channel,
        event.time,
        event.sequence,
        event.item or None,
        event.offer or None,
        event.placement or None,
        event.place or None,
        event.quantity or None,
        event.amount_units if paid else None,
        event.amount_nanos if paid else None,
        event.currency or None,
        event.decision_id or None,
        _text(event.attributes) if event.attributes else None,
        event.of_event or None,
        event.receipt or None,
        event.discount_units if reduced else None,
        event.discount_nanos if reduced else None,
    )


def item_from_row(row: Values) -> Item:
    """Return the item of a row of `items`; raises `BadInput` naming the column."""
    item_id, title, features, *money, currency, stock, valid_from, valid_until = row[:11]
    return Item(
        id=item_id,
        title=title or "",
        features=_features_of(features),
        price=_money_of(currency, *money[:2]),
        value=_money_of(currency, *money[2:]),
        valid_from=valid_from,
        valid_until=valid_until,
        stock=stock_from_json(stock),
        **_terms_of(row[11:]),
    )


def item_row(item: Item) -> Values:
    """Return the row of `items` for an item."""
    return (
        item.id,
        item.title or None,
        _text(item.features) if item.features else None,
        *_money_values(item),
        stock_to_json(item.stock),
        item.valid_from,
        item.valid_until,
        *_terms(item),
    )


def offer_from_row(row: Values) -> Offer:
    """Return the offer of a row of `offers`; raises `BadInput` naming the column."""
    offer_id, title, items, features, *money, currency = row[:9]
    valid_from, valid_until, channels, stock = row[9:13]
    creatives, volume = row[17:]
    return Offer(
        id=offer_id,
        title=title or "",
        items=tuple(item or "" for item in items),
        features=_features_of(features),
        price=_money_of(currency, *money[:2]),
        value=_money_of(currency, *money[2:]),
        valid_from=valid_from,
        valid_until=valid_until,
        channels=tuple(channel for channel in channels or () if channel),
        stock=stock_from_json(stock),
        **_terms_of(row[13:17]),
        creatives=_creatives_of(creatives),
        volume=volume,
    )


def offer_row(offer: Offer) -> Values:
    """Return the row of `offers` for an offer."""
    return (
        offer.id,
        offer.title or None,
        list(offer.items),
        _text(offer.features) if offer.features else None,
        *_money_values(offer),
        offer.valid_from,
        offer.valid_until,
        list(offer.channels) or None,
        stock_to_json(offer.stock),
        *_terms(offer),
        _text(offer.creatives) if offer.creatives else None,
        offer.volume,
    )


def customer_row(event: Event) -> Values:
    """Return the row of `customers` that `attributes_event` turns into `event`."""
    return (KEYED_NAMESPACE, event.identifier.hex(), _text(event.attributes))


def identifier_row(known: KnownIdentifier) -> Values:
    """Return the row of `identifiers` for an identifier."""
    return (KEYED_NAMESPACE, known.identifier.hex(), known.since)


def link_row(link: Link | Unlink) -> Values:
    """Return the row of `links` for a link, of `unlinks` for an unlink."""
    return (
        KEYED_NAMESPACE,
        link.a.hex(),
        KEYED_NAMESPACE,
        link.b.hex(),
        link.asserted_by,
        None if link.time < 0 else link.time,
    )


def record_row(record: DecisionRecord) -> Values:
    """Return the row of `decisions` for a decision record; bytes in its JSON are base64."""
    moment = record.decision.moment
    return (
        record.id,
        record.customer.hex(),
        record.time,
        record.request.channel,
        record.request.placement or None,
        record.request.intent,
        moment.release or None,
        moment.policy,
        [shown.offer for shown in record.decision.slate],
        _text(record),
    )


def attributes_from_json(text: str) -> dict[str, str]:
    """Return the attributes in a JSON column; raises `BadInput` naming the column."""
    try:
        return _texts.decode(text)
    except msgspec.MsgspecError as error:
        raise BadInput("attributes", str(error)) from None


def _text(value: object) -> str:
    return _json.encode(value).decode()


def _terms_of(values: Values) -> _Terms:
    price_until, offer_class, sensitivity, groups = values
    if offer_class is not None and offer_class not in OFFER_CLASSES:
        raise BadInput("offer_class", class_fault(offer_class))
    return _Terms(
        price_until=price_until,
        offer_class=offer_class or "marketing",
        sensitivity=sensitivity or "",
        groups=tuple(sorted({group for group in groups or () if group})),
    )


def _terms(row: Row) -> Values:
    return (
        row.price_until,
        None if row.offer_class == "marketing" else row.offer_class,
        row.sensitivity or None,
        list(row.groups) or None,
    )


def _creatives_of(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    try:
        return _texts.decode(text)
    except msgspec.MsgspecError as error:
        raise BadInput("creatives", str(error)) from None


def _features_of(text: str | None) -> dict[str, list[str]]:
    if text is None:
        return {}
    try:
        decoded = _features.decode(text)
    except msgspec.MsgspecError as error:
        raise BadInput("features", str(error)) from None
    return {
        name: [_word(value) for value in (values if isinstance(values, list) else [values])]
        for name, values in sorted(decoded.items())
    }


def _word(value: _Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def _money_of(currency: str | None, units: int | None, nanos: int | None) -> Money | None:
    if units is None and nanos is None:
        return None
    if not currency:
        raise BadInput("currency", currency_fault(""))
    return Money(currency, units or 0, nanos or 0)


def _money_values(row: Row) -> tuple[int | None, int | None, int | None, int | None, str | None]:
    price, value = row.price, row.value
    known = price or value
    return (
        price.units if price else None,
        price.nanos if price else None,
        value.units if value else None,
        value.nanos if value else None,
        known.currency if known else None,
    )
