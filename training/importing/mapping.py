"""The mapping language: a TOML file that says how tables in someone else's schema become a dataset.

    [dataset]                       kind, source, zone of naive times, currency, declared names
    [[events]] [[items]] [[offers]] [[customers]] [[links]]
                                    one block for each file that feeds the table
    [truth]                         held-out targets, written as `truth.parquet` beside the tables

In a block, `file` names the table, `join` adds columns of others, `where` says which rows are meant
(the others are skipped) and `require` which are sound (the others are rejected). Every other key is
a column of the canonical table, or `amount`, `discount`, `price`, `value` for money: a string names
a column of the file, a table says more (`Field`).
"""

import re
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from models.domain.channels import CHANNELS
from models.domain.dataset import OrderOver
from models.domain.event_types import EVENT_TYPES, OWN_TYPES
from models.domain.identifiers import NAMESPACES
from models.errors import BadInput
from training.importing.files.file_format import FileFormat

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PART = re.compile(r"\{([^{}]*)\}")


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a canonical column comes from: exactly one of `column`, `const` and `template`.

    `template` fills columns, or the row's number, into a text: "{basket_id}:{product_id}:{row}".
    `map` turns each value into another; one not in it takes `default`, or the row is rejected.
    `split` makes a list of a text. Times: `format` is "iso" (also for dates; the default),
    "epoch_seconds", "epoch_milliseconds", "epoch_microseconds" or a strptime pattern; `zone` is
    that of naive times; `plus_days` moves a date ("valid until the 9th" ends on the 10th at 0:00).
    A local time that a change of the clock skipped is rejected, or, with `skipped_hour = "after"`,
    read by the clock before the change; one that occurred twice is the earlier. Money: `currency`.
    """

    column: str | None = None
    const: str | None = None
    template: str | None = None
    map: dict[str, str] | None = None
    default: str | None = None
    split: str | None = None
    format: str | list[str] = "guess"
    zone: str | None = None
    plus_days: int = 0
    skipped_hour: Literal["reject", "after"] = "reject"
    currency: str | None = None

    def formats(self) -> list[str]:
        """Return the formats to try, in turn."""
        return [self.format] if isinstance(self.format, str) else self.format

    def columns(self) -> list[str]:
        """Return the names of the columns it reads."""
        if self.column is not None:
            return [self.column]
        return [name for name in _PART.findall(self.template or "") if name != "row"]

    def parts(self) -> list[tuple[str, str]]:
        """Return a template as (text, column after it); the last column may be empty."""
        pieces = _PART.split(self.template or "")
        return list(zip(pieces[::2], [*pieces[1::2], ""], strict=True))


Spec = str | Field
# What a value must be: equal to it, one of a list, or a comparison such as "> 0" or
# "< 2017-12-01"; numbers are compared as numbers, everything else as text.
Condition = str | int | float | bool | list[str]


class Join(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A left join: columns of `file` for the rows whose `on` columns are equal there.

    `on` maps a column of the block to one of `file`, or names one that both have. Of several rows
    with one key the first counts; with `many` a row becomes one for each of them that differs in
    what is joined. A row without a match keeps nulls and is no reject.
    """

    file: str
    on: str | dict[str, str]
    columns: list[str] | None = None
    many: bool = False
    read: FileFormat = FileFormat()

    def keys(self) -> dict[str, str]:
        """Return the columns to join on, left to right."""
        return {self.on: self.on} if isinstance(self.on, str) else self.on


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every block has. Rows that repeat an earlier row of the file word for word are dropped
    and counted, unless `duplicates` is "keep".
    """  # noqa: D205

    file: str
    read: FileFormat = FileFormat()
    join: list[Join] = []
    where: dict[str, Condition] = {}
    require: dict[str, Condition] = {}
    duplicates: Literal["drop", "keep"] = "drop"


class Events(Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Events. Without `event_id` it is a hash of the row's values and of how many equals precede.

    `order`, instead of `sequence`, names integer columns by which the events of all blocks are
    sorted, nulls last, and numbered: those of each customer or all together (`dataset.order_over`).
    `once` names columns that identify an event: of the rows of a customer in one file with equal
    values there, only the first in the order is kept.
    """

    namespace: Spec
    identifier: Spec
    type: Spec
    channel: Spec
    event_id: Spec | None = None
    time: Spec | None = None
    sequence: Spec | None = None
    order: list[str] = []
    once: list[str] = []
    item: Spec | None = None
    offer: Spec | None = None
    placement: Spec | None = None
    place: Spec | None = None
    quantity: Spec | None = None
    amount: Spec | None = None
    decision_id: Spec | None = None
    attributes: dict[str, Spec] | None = None
    of_event: Spec | None = None
    receipt: Spec | None = None
    discount: Spec | None = None


class Items(Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Items; `features` maps each feature to where its value or list of values comes from."""

    item: Spec
    title: Spec | None = None
    features: dict[str, Spec] | None = None
    price: Spec | None = None
    value: Spec | None = None
    valid_from: Spec | None = None
    valid_until: Spec | None = None


class Offers(Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Offers; rows with the same `offer` are one offer, and their items are collected."""

    offer: Spec
    items: Spec
    title: Spec | None = None
    features: dict[str, Spec] | None = None
    price: Spec | None = None
    value: Spec | None = None
    valid_from: Spec | None = None
    valid_until: Spec | None = None
    channels: Spec | None = None


class Customers(Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Attributes of customers by identifier."""

    namespace: Spec
    identifier: Spec
    attributes: dict[str, Spec]


class Links(Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which identifiers are one customer's."""

    namespace_a: Spec
    identifier_a: Spec
    namespace_b: Spec
    identifier_b: Spec
    asserted_by: Spec
    time: Spec | None = None


class Truth(Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Held-out targets: `customer` as `namespace:value`, `item`, optionally `before`."""

    customer: Spec
    item: Spec
    before: Spec | None = None


class DatasetSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What holds for the whole dataset.

    `zone` is that of naive times and of dates. `add_missing_items` makes items that are only named
    by events and offers items without features. `event_types`, `channels` and `namespaces` declare
    names that are not built in. `order_over` says whose events `order` numbers, and whose
    sequences may be compared: those of each customer, or of the dataset, across its customers.
    """

    kind: Literal["timed", "ordered", "undated"]
    source: str
    order_over: OrderOver = "customer"
    zone: str | None = None
    currency: str | None = None
    add_missing_items: bool = False
    event_types: dict[str, str] = {}
    channels: list[str] = []
    namespaces: list[str] = []


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole mapping file."""

    dataset: DatasetSection
    events: list[Events]
    items: list[Items] = []
    offers: list[Offers] = []
    customers: list[Customers] = []
    links: list[Links] = []
    truth: Truth | None = None

    def known_names(self) -> dict[str, frozenset[str]]:
        """Return the names that are allowed in the columns `type`, `channel` and `namespace`."""
        return {
            "type": (frozenset(EVENT_TYPES) - OWN_TYPES) | frozenset(self.dataset.event_types),
            "channel": frozenset(CHANNELS) | frozenset(self.dataset.channels),
            "namespace": frozenset(NAMESPACES) | frozenset(self.dataset.namespaces),
        }


def read_mapping(path: Path) -> Mapping:
    """Read a mapping; raises `BadInput` naming the key that is wrong."""
    try:
        mapping = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Mapping)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at ")
        raise BadInput(
            where.strip("`").removeprefix("$").lstrip(".") or "mapping", reason
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise BadInput("mapping", f"not TOML: {error}") from None
    _check(mapping)
    return mapping


def as_field(spec: Spec) -> Field:
    """Return `spec` as a `Field`; a string names a column."""
    return Field(column=spec) if isinstance(spec, str) else spec


def _check(mapping: Mapping) -> None:
    dataset = mapping.dataset
    if dataset.order_over == "dataset" and dataset.kind != "ordered":
        raise BadInput(
            "dataset.order_over", f"a dataset of kind {dataset.kind} has no order of its own"
        )
    for name, like in dataset.event_types.items():
        if like not in EVENT_TYPES or like in OWN_TYPES:
            raise BadInput(f"dataset.event_types.{name}", f"{like!r} is not a built-in event type")
    for key in ("event_types", "channels", "namespaces"):
        for name in getattr(dataset, key):
            if not NAME.fullmatch(name):
                raise BadInput(f"dataset.{key}", f"{name!r} is not a name: [a-z][a-z0-9_]*")
    if not mapping.events:
        raise BadInput("events", "empty; a dataset needs events")
    if not mapping.items and not dataset.add_missing_items:
        raise BadInput("items", "missing; or set dataset.add_missing_items = true")
    for index, events in enumerate(mapping.events):
        _check_order(events, dataset.kind, f"events[{index}]")
    for table in ("events", "items", "offers", "customers", "links"):
        for index, source in enumerate(getattr(mapping, table)):
            _check_fields(source, f"{table}[{index}]", mapping.known_names())
    if mapping.truth is not None:
        _check_fields(mapping.truth, "truth", mapping.known_names())


def _check_order(events: Events, kind: str, key: str) -> None:
    given = [name for name in ("time", "sequence", "order") if getattr(events, name)]
    allowed = {"timed": (["time"],), "ordered": (["sequence"], ["order"]), "undated": ([],)}[kind]
    if given not in allowed:
        must = " or ".join("+".join(names) or "nothing" for names in allowed)
        given_text = " and ".join(given) or "nothing"
        raise BadInput(
            key, f"a dataset of kind {kind} orders events by {must}, not by {given_text}"
        )


def _check_fields(source: Source, key: str, known: dict[str, frozenset[str]]) -> None:
    for index, join in enumerate(source.join):
        if join.many and not join.columns:
            raise BadInput(
                f"{key}.join[{index}]",
                "many goes with columns: a row becomes one for each of their values",
            )
    for name in source.__struct_fields__:
        if name in Source.__struct_fields__ or name in ("order", "once"):
            continue
        value = getattr(source, name)
        specs = value if isinstance(value, dict) else {"": value}
        for part, spec in specs.items():
            if isinstance(spec, Field):
                _check_field(spec, ".".join(filter(None, (key, name, part))), known.get(name))


def _check_field(spec: Field, key: str, known: frozenset[str] | None) -> None:
    ways = [way for way in (spec.column, spec.const, spec.template) if way is not None]
    if len(ways) != 1:
        raise BadInput(key, "give exactly one of column, const and template")
    if spec.default is not None and spec.map is None:
        raise BadInput(key, "default goes with map")
    if known is not None:
        written = [spec.const, spec.default, *(spec.map or {}).values()]
        for value in written:
            if value is not None and value not in known:
                raise BadInput(key, f"{value!r} is not declared; known are {sorted(known)}")
