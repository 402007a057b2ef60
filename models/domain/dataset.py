"""The canonical dataset: its tables, columns, types and units, declared once and for both sides.

A dataset is a directory with `dataset.json` (`Metadata`) and one Parquet file a table. No table
library is imported here: training reads and writes the tables with Polars, the service with
pyarrow, both by these declarations.
"""

import errno
import hashlib
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from models.errors import BadDataset

FORMAT = 1
METADATA = "dataset.json"

# How a dataset is ordered. `mixed` is what a store exports that was loaded with undated history and
# then lived: undated events come before timed ones.
Kind = Literal["timed", "ordered", "undated", "mixed"]
OrderOver = Literal["customer", "dataset"]

# Physical type of a column: Parquet string, int64, double, boolean, timestamp[us, UTC],
# list<string>; `json` is a string holding one JSON value.
ColumnType = Literal["string", "int64", "double", "timestamp", "strings", "json"]


class Column(NamedTuple):
    """One column: its name, type, whether null is allowed, and what it means (with its unit)."""

    name: str
    type: ColumnType
    nullable: bool
    meaning: str


_MONEY_NOTE = "units and nanos (1e-9 units, same sign) of `currency`"

# Two identifiers that something is said of.
_PAIR = (
    Column("namespace_a", "string", False, "namespace of the one identifier"),
    Column("identifier_a", "string", False, "its value, or its keyed hash in hex"),
    Column("namespace_b", "string", False, "namespace of the other identifier"),
    Column("identifier_b", "string", False, "its value, or its keyed hash in hex"),
)

# What policies go by, of an item's own offer and of an offer.
_TERMS = (
    Column("price_until", "timestamp", True, "first moment the price does not hold; absent: never"),
    Column("offer_class", "string", True, "marketing (the default), service or transactional"),
    Column("sensitivity", "string", True, "how delicate it is to be seen with, a name"),
    Column("groups", "strings", True, "what it belongs to, names"),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "events": (
        Column("event_id", "string", False, "unique per identifier; makes the event idempotent"),
        Column("namespace", "string", False, "namespace of the identifier it came under"),
        Column("identifier", "string", False, "the identifier's value, or its keyed hash in hex"),
        Column("type", "string", False, "what happened, a built-in or declared event type"),
        Column("channel", "string", False, "where it happened"),
        Column("time", "timestamp", True, "when it happened, UTC"),
        Column("sequence", "int64", True, "order within the customer, where there is no time"),
        Column("item", "string", True, "the item it is about"),
        Column("offer", "string", True, "the offer it is about"),
        Column("placement", "string", True, "the slot on the channel"),
        Column("place", "string", True, "the store or station"),
        Column("quantity", "double", True, "how many or how much, in the item's unit"),
        Column("amount_units", "int64", True, f"what was paid for the line: {_MONEY_NOTE}"),
        Column("amount_nanos", "int64", True, "see amount_units"),
        Column("currency", "string", True, "ISO 4217"),
        Column("decision_id", "string", True, "the decision that this event answers"),
        Column("attributes", "json", True, "object of string to string (attributes_changed)"),
        Column("of_event", "string", True, "the event that a return or a void takes back"),
        Column("receipt", "string", True, "the receipt or order that it stands on"),
        Column("discount_units", "int64", True, f"what was taken off the price: {_MONEY_NOTE}"),
        Column("discount_nanos", "int64", True, "see discount_units"),
    ),
    "items": (
        Column("item", "string", False, "the item's id"),
        Column("title", "string", True, "what a person reads"),
        Column("features", "json", True, "object of feature name to value or list of values"),
        Column("price_units", "int64", True, f"price: {_MONEY_NOTE}"),
        Column("price_nanos", "int64", True, "see price_units"),
        Column("value_units", "int64", True, f"margin of one response: {_MONEY_NOTE}"),
        Column("value_nanos", "int64", True, "see value_units"),
        Column("currency", "string", True, "ISO 4217, of price and value"),
        Column("stock", "json", True, "list of {place, quantity, as_of}; absent: not tracked"),
        Column("valid_from", "timestamp", True, "first moment its own offer may be shown"),
        Column("valid_until", "timestamp", True, "first moment it may not; absent: never"),
        *_TERMS,
    ),
    "offers": (
        Column("offer", "string", False, "the offer's id"),
        Column("title", "string", True, "what a person reads"),
        Column("items", "strings", False, "the items it is valid for, at least one"),
        Column("features", "json", True, "object of feature name to value or list of values"),
        Column("price_units", "int64", True, f"price: {_MONEY_NOTE}"),
        Column("price_nanos", "int64", True, "see price_units"),
        Column("value_units", "int64", True, f"margin of one response: {_MONEY_NOTE}"),
        Column("value_nanos", "int64", True, "see value_units"),
        Column("currency", "string", True, "ISO 4217, of price and value"),
        Column("valid_from", "timestamp", True, "first moment it may be shown; absent: always"),
        Column("valid_until", "timestamp", True, "first moment it may not; absent: never"),
        Column("channels", "strings", True, "channels it may be shown on; absent or empty: all"),
        Column("stock", "json", True, "list of {place, quantity, as_of}; absent: not tracked"),
        *_TERMS,
        Column("creatives", "json", True, "object of channel to what it shows; some: only there"),
        Column("volume", "int64", True, "how many customers may get it; absent: any number"),
    ),
    "customers": (
        Column("namespace", "string", False, "namespace of the identifier"),
        Column("identifier", "string", False, "the identifier's value, or its keyed hash in hex"),
        Column("attributes", "json", False, "object of string to string: segment, region, ..."),
    ),
    "links": (
        *_PAIR,
        Column("asserted_by", "string", False, "who said that both are one customer"),
        Column("time", "timestamp", True, "when it was said, UTC"),
    ),
    "unlinks": (
        *_PAIR,
        Column("asserted_by", "string", False, "who said that both are not, whoever linked them"),
        Column("time", "timestamp", True, "when it was said, UTC"),
    ),
    "identifiers": (
        Column("namespace", "string", False, "namespace of the identifier"),
        Column("identifier", "string", False, "the identifier's value, or its keyed hash in hex"),
        Column("known_since", "timestamp", False, "when the store first heard of it, UTC"),
    ),
    "decisions": (
        Column("decision_id", "string", False, "the decision's id"),
        Column("customer", "string", False, "the customer, as the keyed hash in hex"),
        Column("time", "timestamp", False, "when it was decided, UTC"),
        Column("channel", "string", False, "the channel that asked"),
        Column("placement", "string", True, "the slot that asked"),
        Column("intent", "string", False, "the intent it was decided under"),
        Column("release", "string", True, "the release in force"),
        Column("policy", "string", False, "the digest of the policy in force"),
        Column("offers", "strings", False, "the slate, in order"),
        Column("record", "json", False, "the whole decision record"),
    ),
}

# What every dataset has; the rest may be absent.
REQUIRED_TABLES = ("events", "items")


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """`dataset.json`: what a dataset is, beside its tables.

    `identifiers` is `plain` (values as callers give them) or `keyed` (keyed hashes in hex, under
    the key with `key_fingerprint`). `event_types` maps each declared type that is not built in to
    the built-in it behaves like. `digests` holds the SHA-256 of every table file. `order_over` says
    over whom sequences may be compared: the events of one customer, or all of the dataset.
    """

    format: int = FORMAT
    kind: Kind
    source: str
    simulated: bool = False
    identifiers: Literal["plain", "keyed"] = "plain"
    key_fingerprint: str = ""
    zone: str = "UTC"
    order_over: OrderOver = "customer"
    event_types: dict[str, str] = {}
    channels: list[str] = []
    namespaces: list[str] = []
    rows: dict[str, int] = {}
    digests: dict[str, str] = {}

    @property
    def digest(self) -> str:
        """One SHA-256 over the digests of all tables: equal content, equal digest."""
        text = "\n".join(f"{name} {digest}" for name, digest in sorted(self.digests.items()))
        return hashlib.sha256(f"{self.kind}\n{text}".encode()).hexdigest()


def write_metadata(directory: Path, metadata: Metadata) -> None:
    """Write `dataset.json` with sorted keys, so that equal metadata is equal bytes."""
    text = msgspec.json.format(msgspec.json.encode(metadata, order="deterministic"), indent=2)
    (directory / METADATA).write_bytes(text + b"\n")


def read_metadata(directory: Path) -> Metadata:
    """Read `dataset.json` of `directory`.

    Raises `BadDataset` where there is none, where it is malformed, or of a newer format.
    """
    path = directory / METADATA
    try:
        metadata = msgspec.json.decode(path.read_bytes(), type=Metadata)
    except FileNotFoundError:
        raise BadDataset(f"{path}: not found; is {directory} a dataset?") from None
    except msgspec.MsgspecError as error:
        raise BadDataset(f"{path}: {error}") from None
    if metadata.format > FORMAT:
        raise BadDataset(f"{path}: format {metadata.format} not supported; max {FORMAT}")
    return metadata


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_free(directory: Path) -> None:
    """Raise `FileExistsError` unless `directory` is absent or empty."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        reason = "exists and is not an empty directory"
        raise FileExistsError(errno.EEXIST, reason, str(directory))
