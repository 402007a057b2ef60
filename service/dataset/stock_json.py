"""Stock of an item or an offer, between the catalogue and the JSON of a dataset's column."""

from datetime import UTC, datetime, timedelta

import msgspec

from models.domain.catalogue import Stock
from models.errors import BadInput

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _StockJson(msgspec.Struct, frozen=True, kw_only=True):
    quantity: int
    place: str = ""
    as_of: int | datetime


_stock = msgspec.json.Decoder(list[_StockJson])
_json = msgspec.json.Encoder(order="deterministic")


def stock_from_json(text: str | None) -> tuple[Stock, ...]:
    """Return the entries of a column `stock`; raises `BadInput` naming the column."""
    if text is None:
        return ()
    try:
        entries = _stock.decode(text)
    except msgspec.MsgspecError as error:
        raise BadInput("stock", str(error)) from None
    return tuple(Stock(entry.place, entry.quantity, _moment(entry.as_of)) for entry in entries)


def stock_to_json(stock: tuple[Stock, ...]) -> str | None:
    """Return the column `stock` for some entries, times in microseconds; None for none."""
    if not stock:
        return None
    entries = [
        {"place": entry.place, "quantity": entry.quantity, "as_of": entry.as_of} for entry in stock
    ]
    return _json.encode(entries).decode()


def _moment(value: int | datetime) -> int:
    if isinstance(value, int):
        return value
    if value.tzinfo is None:
        raise BadInput("stock", "as_of without a zone")
    return (value - _EPOCH) // timedelta(microseconds=1)
