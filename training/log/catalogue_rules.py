"""The rules for what comes in, of the tables of the catalogue: items and offers."""

from collections.abc import Iterable, Iterator
from functools import partial

import msgspec
import polars as pl

from models.clock_time import EARLIEST, LATEST
from models.domain.catalogue import Money, Stock
from models.domain.input import catalogue as rules
from models.domain.input import limits
from models.domain.input.names import name_fault
from models.domain.input.reasons import Fault
from models.domain.input.texts import id_fault
from models.domain.input.times import time_fault
from training.log.money_rules import money_columns
from training.log.rule_columns import (
    json_reasons,
    list_reasons,
    number_reasons,
    row_reasons,
    text_reasons,
)

Columns = Iterator[tuple[str, pl.Series]]
_Value = str | bool | int | float
_TIMES = ("valid_from", "valid_until", "price_until")


class _StockJson(msgspec.Struct, frozen=True, kw_only=True):
    quantity: int
    place: str = ""
    as_of: object = 0


def item_columns(frame: pl.DataFrame) -> Columns:
    """Yield the reasons of the columns of `items`."""
    yield "item", text_reasons(frame["item"], rules.item_id_fault, limits.ITEM_ID_BYTES)
    yield from _terms(frame)


def offer_columns(frame: pl.DataFrame, channels: frozenset[str]) -> Columns:
    """Yield the reasons of the columns of `offers`."""
    yield "offer", text_reasons(frame["offer"], rules.offer_id_fault)
    yield "items", list_reasons(frame["items"], id_fault, rules.item_ids_faults)
    yield from _terms(frame)
    yield (
        "channels",
        list_reasons(
            frame["channels"],
            lambda name: name_fault(name, channels),
            lambda names: rules.channels_faults(names, channels),
        ),
    )
    yield (
        "creatives",
        json_reasons(
            frame["creatives"],
            dict[str, str],
            lambda creatives: rules.creatives_faults(creatives, channels),
        ),
    )
    # A volume of no customers is refused as such; less than none as any negative number.
    yield "volume", number_reasons(frame["volume"], rules.volume_fault, 1, limits.VOLUME)


def _terms(frame: pl.DataFrame) -> Columns:
    yield "title", text_reasons(frame["title"], rules.title_fault, limits.TITLE_BYTES)
    yield "features", json_reasons(frame["features"], dict[str, _Value | list[_Value]], _features)
    yield from money_columns(frame, ("price", "value"))
    for name in _TIMES:
        yield name, number_reasons(frame[name].cast(pl.Int64()), time_fault, EARLIEST, LATEST)
    yield from _agreement(frame)
    yield "stock", json_reasons(frame["stock"], list[_StockJson], _stock)
    yield "offer_class", text_reasons(frame["offer_class"], rules.class_fault)
    yield "sensitivity", text_reasons(frame["sensitivity"], lambda name: name_fault(name))
    yield "groups", list_reasons(frame["groups"], name_fault, rules.groups_faults)


def _agreement(frame: pl.DataFrame) -> Columns:
    """Yield where the times of a row do not agree with each other, or with its price."""
    start, end, price_end = (frame[name].cast(pl.Int64()) for name in _TIMES)
    late = (end <= start) | (price_end <= start)
    asked = (late.fill_null(False) | price_end.is_not_null()).fill_null(False)
    priced = frame["price_units"].is_not_null() | frame["price_nanos"].is_not_null()
    rows = list(zip(start, end, price_end, priced, strict=True)) if asked.any() else []
    kept = [row for row, wanted in zip(rows, asked, strict=True) if wanted] if rows else []
    for column in ("valid_until", "price_until"):
        yield column, row_reasons(asked, kept, partial(_disagrees, column))


def _disagrees(column: str, row: tuple[int | None, int | None, int | None, bool]) -> str:
    start, end, price_end, priced = row
    price = Money("", 0) if priced else None
    faults = rules.agreement_faults(start, end, price, None, price_end)
    return next((fault.reason for fault, _ in faults if fault.at == column), "")


def _features(features: dict[str, _Value | list[_Value]]) -> Iterable[Fault]:
    lists = {
        name: [text if isinstance(text, str) else "number" for text in _listed(value)]
        for name, value in features.items()
    }
    return rules.features_faults(lists)


def _listed(value: _Value | list[_Value]) -> list[_Value]:
    return value if isinstance(value, list) else [value]


def _stock(entries: list[_StockJson]) -> Iterable[Fault]:
    return rules.stock_faults(
        [
            Stock(entry.place, entry.quantity, entry.as_of if isinstance(entry.as_of, int) else 0)
            for entry in entries
        ]
    )
