"""Items and offers as a person reads them, or as one JSON object a line."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from rich.table import Table
from throughline.v1.common_pb2 import Stock
from throughline.v1.offer_pb2 import Item, Offer, OfferClass

from service.commands.terminal import money_text, output, table

MessageT = TypeVar("MessageT", bound=Message)
MAX_PLACES = 3


def show(
    rows: Sequence[MessageT],
    as_table: Callable[[Sequence[MessageT]], Table],
    as_json: bool,
    more: bool = False,
) -> None:
    """Print rows as a table, or as JSON lines; `more` says that there would be more."""
    if as_json:
        for row in rows:
            print(MessageToJson(row, preserving_proto_field_name=True, indent=None))
        return
    console = output()
    console.print(as_table(rows) if rows else "None.")
    if more:
        console.print("There are more; --count lists them.")


def offers(rows: Sequence[Offer]) -> Table:
    """Return a table of offers."""
    columns = ("offer", "title", "items", "price", "valid", "class", "channels", "stock")
    return table(
        columns,
        [
            (
                offer.offer_id,
                offer.title,
                _items(offer.item_ids),
                _price(offer),
                _validity(offer),
                _class(offer),
                _channels(offer),
                _stock(offer.stock),
            )
            for offer in rows
        ],
    )


def items(rows: Sequence[Item]) -> Table:
    """Return a table of items."""
    return table(
        ("item", "title", "features", "price", "valid", "class", "stock"),
        [
            (
                item.item_id,
                item.title,
                _features(item),
                _price(item),
                _validity(item),
                _class(item),
                _stock(item.stock),
            )
            for item in rows
        ],
    )


def _items(ids: Sequence[str]) -> str:
    return ids[0] if len(ids) == 1 else f"{len(ids):,} items"


def _features(item: Item) -> str:
    said = sorted(item.features.items())
    return ", ".join(f"{name}={'|'.join(feature.values)}" for name, feature in said)


def _price(offer: Item | Offer) -> str:
    told = money_text(offer.price)
    if not offer.HasField("price_until"):
        return told
    return f"{told} until {offer.price_until.ToJsonString()}"


def _class(offer: Item | Offer) -> str:
    name = OfferClass.Name(offer.offer_class).removeprefix("OFFER_CLASS_").lower()
    return f"{name}, {offer.sensitivity}" if offer.sensitivity else name


def _channels(offer: Offer) -> str:
    """Return where it may be shown: on its channels, and of these where it has a creative."""
    named = set(offer.channels) or set(offer.creatives)
    if offer.creatives:
        named &= set(offer.creatives)
        return ", ".join(sorted(named)) or "none"
    return ", ".join(sorted(named)) or "all"


def _validity(offer: Item | Offer) -> str:
    start = offer.valid_from.ToJsonString() if offer.HasField("valid_from") else ""
    end = offer.valid_until.ToJsonString() if offer.HasField("valid_until") else ""
    if not (start or end):
        return "always"
    return " ".join(part for part in (start and f"from {start}", end and f"until {end}") if part)


def _stock(stock: Iterable[Stock]) -> str:
    told = [f"{entry.quantity:,} at {entry.place or 'no place'}" for entry in stock]
    if not told:
        return "not tracked"
    rest = len(told) - MAX_PLACES
    return ", ".join(told[:MAX_PLACES]) + (f" and {rest} more places" if rest > 0 else "")
