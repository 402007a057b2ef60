"""Items and offers that come in: their features, stock, groups, creatives, and how these agree."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from models.domain.catalogue import OFFER_CLASSES, Money, Offer, Row, Stock
from models.domain.input import limits
from models.domain.input.money import money_faults
from models.domain.input.names import choices, name_fault
from models.domain.input.numbers import number_fault
from models.domain.input.reasons import Fault, Refusal
from models.domain.input.sizes import size_fault
from models.domain.input.texts import id_fault, text_fault
from models.domain.input.times import time_fault
from models.domain.names import DEFAULT_PREFIX

TWICE = "twice"
NOT_AFTER_START = "not after valid_from"
WITHOUT_A_PRICE = "without a price"
OTHER_CURRENCY = "not the price's"


def item_id_fault(value: str) -> str:
    """Return what is wrong with the id of an item, which the id of its own offer ends with."""
    return text_fault(value, limits.ITEM_ID_BYTES, required=True)


def offer_id_fault(value: str) -> str:
    """Return what is wrong with the id of an explicit offer."""
    return id_fault(value) or (
        f"starts with {DEFAULT_PREFIX}" if value.startswith(DEFAULT_PREFIX) else ""
    )


def title_fault(value: str) -> str:
    """Return what is wrong with a title."""
    return text_fault(value, limits.TITLE_BYTES)


def features_faults(features: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    """Yield what is wrong with the features of a row."""
    if fault := size_fault(len(features), limits.FEATURES):
        yield Fault("", fault)
        return
    for name, values in features.items():
        if fault := text_fault(name, limits.FEATURE_NAME_BYTES, required=True):
            yield Fault(".key", fault)
        if fault := size_fault(len(values), limits.FEATURE_VALUES, minimum=1):
            yield Fault(".values", fault)
            continue
        for value in values:
            if fault := text_fault(value, limits.FEATURE_VALUE_BYTES, required=True):
                yield Fault(".values", fault)


def stock_faults(entries: Sequence[Stock]) -> Iterator[Fault]:
    """Yield what is wrong with the stock of a row."""
    if fault := size_fault(len(entries), limits.STOCK_ENTRIES):
        yield Fault("", fault)
        return
    places = set()
    for number, entry in enumerate(entries):
        if fault := text_fault(entry.place, limits.PLACE_BYTES):
            yield Fault(f"[{number}].place", fault)
        if entry.place in places:
            yield Fault(f"[{number}].place", TWICE)
        places.add(entry.place)
        if entry.quantity < 0:
            yield Fault(f"[{number}].quantity", Refusal.NEGATIVE)
        if fault := time_fault(entry.as_of):
            yield Fault(f"[{number}].as_of", fault)


def class_fault(value: str) -> str:
    """Return what is wrong with the class of an offer."""
    return "" if value in OFFER_CLASSES else f"{Refusal.UNKNOWN}{choices(value, OFFER_CLASSES)}"


def groups_faults(groups: Sequence[str]) -> Iterator[Fault]:
    """Yield what is wrong with the groups of a row."""
    yield from _each(groups, limits.GROUPS, name_fault)


def item_ids_faults(ids: Sequence[str]) -> Iterator[Fault]:
    """Yield what is wrong with the items of an offer."""
    if not ids:
        yield Fault("", Refusal.REQUIRED)
    yield from _each(ids, limits.OFFER_ITEMS, id_fault)


def channels_faults(channels: Sequence[str], declared: Collection[str]) -> Iterator[Fault]:
    """Yield what is wrong with the channels of an offer."""
    yield from _each(channels, len(declared), lambda name: name_fault(name, declared))


def creatives_faults(creatives: Mapping[str, str], declared: Collection[str]) -> Iterator[Fault]:
    """Yield what is wrong with the creatives of an offer, by channel."""
    if fault := size_fault(len(creatives), len(declared)):
        yield Fault("", fault)
        return
    for channel, text in creatives.items():
        if fault := name_fault(channel, declared):
            yield Fault(".key", fault)
        if fault := text_fault(text, limits.CREATIVE_BYTES, required=True):
            yield Fault(".value", fault)


def volume_fault(value: int) -> str:
    """Return what is wrong with how many customers may get an offer."""
    return "too small; min 1" if value == 0 else number_fault(value, limits.VOLUME)


def row_faults(row: Row, channels: Collection[str]) -> Iterator[Fault]:
    """Yield what is wrong with an item or an offer, its times and amounts of money included."""
    if isinstance(row, Offer):
        yield from _of("id", offer_id_fault(row.id))
        yield from _at("items", item_ids_faults(row.items))
        yield from _at("channels", channels_faults(row.channels, channels))
        yield from _at("creatives", creatives_faults(row.creatives, channels))
        yield from _of("volume", "" if row.volume is None else volume_fault(row.volume))
    else:
        yield from _of("id", item_id_fault(row.id))
    yield from _of("title", title_fault(row.title))
    yield from _at("features", features_faults(row.features))
    for name, money in (("price", row.price), ("value", row.value)):
        if money is not None:
            for part, fault in money_faults(money.currency, money.units, money.nanos):
                yield Fault(f"{name}.{part}", fault)
    for name in ("valid_from", "valid_until", "price_until"):
        at = getattr(row, name)
        yield from _of(name, "" if at is None else time_fault(at))
    agreeing = (row.valid_from, row.valid_until, row.price, row.value, row.price_until)
    yield from (fault for fault, _ in agreement_faults(*agreeing))
    yield from _at("stock", stock_faults(row.stock))
    yield from _of("sensitivity", name_fault(row.sensitivity, required=False))
    yield from _at("groups", groups_faults(row.groups))


def agreement_faults(
    valid_from: int | None,
    valid_until: int | None,
    price: Money | None,
    value: Money | None,
    price_until: int | None,
) -> Iterator[tuple[Fault, tuple[str, str]]]:
    """Yield where fields of a row do not agree: the fault, and the two fields that it is about."""
    if _not_after(valid_until, valid_from):
        yield Fault("valid_until", NOT_AFTER_START), ("valid_from", "valid_until")
    if price is not None and value is not None and price.currency != value.currency:
        yield Fault("value.currency", OTHER_CURRENCY), ("price", "value")
    if price_until is not None and price is None:
        yield Fault("price_until", WITHOUT_A_PRICE), ("price", "price_until")
    if _not_after(price_until, valid_from):
        yield Fault("price_until", NOT_AFTER_START), ("valid_from", "price_until")


def _of(field: str, reason: str) -> Iterator[Fault]:
    if reason:
        yield Fault(field, reason)


def _at(field: str, faults: Iterator[Fault]) -> Iterator[Fault]:
    return (Fault(field + at, reason) for at, reason in faults)


def _each(values: Sequence[str], limit: int, rule: Callable[[str], str]) -> Iterator[Fault]:
    if fault := size_fault(len(values), limit):
        yield Fault("", fault)
        return
    for number, value in enumerate(values):
        if fault := rule(value):
            yield Fault(f"[{number}]", fault)


def _not_after(until: int | None, start: int | None) -> bool:
    return until is not None and start is not None and until <= start
