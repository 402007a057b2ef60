"""The mapping language: a TOML file that says how tables in someone else's schema become a dataset.

    [dataset]                       kind, source, zone of naive times, currency, declared names
    [[events]] [[items]] [[offers]] [[customers]] [[links]]
                                    one block for each file, folder or pattern that feeds the table
    [truth]                         held-out targets, written as `truth.parquet` beside the tables

In a block, `file` names the table, `join` adds columns of others, `where` says which rows are meant
(the others are skipped) and `require` which are sound (the others are rejected). Every other key is
a column of the canonical table, or `amount`, `discount`, `price`, `value` for money: a string names
a column of the file, a table says more (`Field`). What each key means is said once, here:
`throughline import --schema` prints it, and the manual is held to it.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from models.domain.channels import CHANNELS
from models.domain.dataset import OrderOver
from models.domain.event_types import EVENT_TYPES, OWN_TYPES
from models.domain.identifiers import NAMESPACES
from training.importing.field import Spec
from training.importing.files.file_format import FileFormat


class RowTest(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """A condition that is a table; all that it says must hold."""

    not_: Annotated[
        str | list[str] | None,
        Meta(description="none of these values; a row without a value passes"),
    ] = msgspec.field(default=None, name="not")
    empty: Annotated[
        bool | None, Meta(description="`false`: there is a value; `true`: there is none")
    ] = None
    matches: Annotated[
        str | None, Meta(description="a regular expression that is found in the value")
    ] = None

    def __str__(self) -> str:
        """Return it as the mapping has it."""
        return ", ".join(f"{k} = {v}" for k, v in msgspec.to_builtins(self).items())


# What a value must be: equal to it, one of a list, or a comparison such as "> 0" or
# "< 2017-12-01"; numbers are compared as numbers, everything else as text.
Condition = str | int | float | bool | list[str] | RowTest


class Join(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A left join: columns of another file for the rows whose `on` columns are equal there.

    A row without a match keeps nulls and is no reject.
    """

    file: Annotated[str, Meta(description="the other file, folder or pattern")]
    on: Annotated[
        str | dict[str, str],
        Meta(description="a column that both have, or a table of columns here to columns there"),
    ]
    columns: Annotated[list[str] | None, Meta(description="the columns to add; without it all")] = (
        None
    )
    many: Annotated[
        bool,
        Meta(
            description="a row becomes one for each match that differs in `columns`; without it "
            "the first match counts"
        ),
    ] = False
    read: Annotated[FileFormat, Meta(description="how that file is written, see below")] = (
        FileFormat()
    )

    def keys(self) -> dict[str, str]:
        """Return the columns to join on, left to right."""
        return {self.on: self.on} if isinstance(self.on, str) else self.on


class Pivot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a property a row becomes one of a thing a row, with a column for each property."""

    by: Annotated[str, Meta(description="the column of the thing: rows of one value become one")]
    name: Annotated[str, Meta(description="the column that names the property")]
    value: Annotated[str, Meta(description="the column of its value")]
    columns: Annotated[
        list[str], Meta(description="the properties that become columns; others are left out")
    ]
    latest: Annotated[
        str | None,
        Meta(
            description="a column of which the largest number, or the last text, says which value "
            "of a property counts; without it the last row does"
        ),
    ] = None


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every block has."""

    file: Annotated[
        str,
        Meta(
            description="the table, below `--source-dir`: a file, with or without its ending, a "
            "folder, or a pattern such as `days/*.csv`"
        ),
    ]
    read: Annotated[FileFormat, Meta(description="how the file is written, see below")] = (
        FileFormat()
    )
    join: Annotated[list[Join], Meta(description="columns of other files, see below")] = []
    pivot: Annotated[
        Pivot | None, Meta(description="makes columns of a table of properties, see below")
    ] = None
    where: Annotated[
        dict[str, Condition],
        Meta(description="which rows are meant; the others are skipped"),
    ] = {}
    require: Annotated[
        dict[str, Condition],
        Meta(description="which rows are sound; the others are rejected"),
    ] = {}
    duplicates: Annotated[
        Literal["drop", "keep"],
        Meta(
            description='rows that repeat an earlier row of the files word for word: `"drop"` '
            'counts them, `"keep"` keeps them'
        ),
    ] = "drop"


class Events(Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Events."""

    namespace: Annotated[Spec, Meta(description="of the identifier")]
    identifier: Annotated[Spec, Meta(description="its value")]
    type: Annotated[Spec, Meta(description="what happened")]
    channel: Annotated[Spec, Meta(description="where")]
    event_id: Annotated[
        Spec | None,
        Meta(description="its id; without it a hash of what the row says and how often it said it"),
    ] = None
    time: Annotated[Spec | None, Meta(description="when; for timed data")] = None
    sequence: Annotated[
        Spec | None, Meta(description="its place in the order; for ordered data")
    ] = None
    order: Annotated[
        list[str],
        Meta(
            description="instead of `sequence`: the columns (whole numbers, nulls last) by which "
            "events are numbered"
        ),
    ] = []
    once: Annotated[
        list[str],
        Meta(
            description="columns that name one event; a later row with the same values is that "
            "event told again"
        ),
    ] = []
    item: Annotated[Spec | None, Meta(description="the item it is about")] = None
    offer: Annotated[Spec | None, Meta(description="the offer it is about")] = None
    placement: Annotated[Spec | None, Meta(description="the slot on the channel")] = None
    place: Annotated[Spec | None, Meta(description="the store or station")] = None
    quantity: Annotated[Spec | None, Meta(description="how many or how much")] = None
    below_zero: Annotated[
        Literal["return", "reject"],
        Meta(
            description="a purchase of a quantity below 0 is a `return` of as many, or it is "
            "rejected; one of 0 always is"
        ),
    ] = "return"
    amount: Annotated[Spec | None, Meta(description="what was paid for the line")] = None
    decision_id: Annotated[Spec | None, Meta(description="the decision that it answers")] = None
    attributes: Annotated[
        dict[str, Spec] | None,
        Meta(description="for `attributes_changed`: where each attribute comes from"),
    ] = None
    of_event: Annotated[
        Spec | None,
        Meta(description="for `return` and `void`: the id of the event that is taken back"),
    ] = None
    receipt: Annotated[Spec | None, Meta(description="the receipt or order that it stands on")] = (
        None
    )
    discount: Annotated[Spec | None, Meta(description="what was taken off the price")] = None


class Items(Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Items."""

    item: Annotated[Spec, Meta(description="the item's id")]
    again: Annotated[
        Literal["reject", "first"],
        Meta(
            description="a row of an item that an earlier row describes otherwise is rejected, or "
            'the `"first"` one counts'
        ),
    ] = "reject"
    title: Annotated[Spec | None, Meta(description="what a person reads")] = None
    features: Annotated[
        dict[str, Spec] | None,
        Meta(description="where the value, or list of values, of each feature comes from"),
    ] = None
    price: Annotated[Spec | None, Meta(description="the price")] = None
    value: Annotated[Spec | None, Meta(description="the margin of one response")] = None
    valid_from: Annotated[
        Spec | None, Meta(description="the first moment its default offer may be shown")
    ] = None
    valid_until: Annotated[Spec | None, Meta(description="the first moment it may not")] = None


class Offers(Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Offers; rows with the same `offer` are one offer, and their items are collected."""

    offer: Annotated[Spec, Meta(description="the offer's id")]
    items: Annotated[Spec, Meta(description="an item that it is valid for, or a list of them")]
    title: Annotated[Spec | None, Meta(description="what a person reads")] = None
    features: Annotated[
        dict[str, Spec] | None,
        Meta(description="where the value, or list of values, of each feature comes from"),
    ] = None
    price: Annotated[Spec | None, Meta(description="the price")] = None
    value: Annotated[Spec | None, Meta(description="the margin of one response")] = None
    valid_from: Annotated[Spec | None, Meta(description="the first moment it may be shown")] = None
    valid_until: Annotated[Spec | None, Meta(description="the first moment it may not")] = None
    channels: Annotated[
        Spec | None, Meta(description="the channels it may be shown on; none: all")
    ] = None


class Customers(Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Attributes of customers by identifier."""

    namespace: Annotated[Spec, Meta(description="of the identifier")]
    identifier: Annotated[Spec, Meta(description="its value")]
    again: Annotated[
        Literal["reject", "first"],
        Meta(
            description="a row of a customer that an earlier row describes otherwise is rejected, "
            'or the `"first"` one counts'
        ),
    ] = "reject"
    attributes: Annotated[dict[str, Spec], Meta(description="where each attribute comes from")]


class Links(Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which identifiers are one customer's."""

    namespace_a: Annotated[Spec, Meta(description="of the one identifier")]
    identifier_a: Annotated[Spec, Meta(description="its value")]
    namespace_b: Annotated[Spec, Meta(description="of the other identifier")]
    identifier_b: Annotated[Spec, Meta(description="its value")]
    asserted_by: Annotated[Spec, Meta(description="who said that both are one customer")]
    time: Annotated[Spec | None, Meta(description="when it was said")] = None


class Truth(Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Held-out targets."""

    customer: Annotated[Spec, Meta(description="the customer, as `namespace:value`")]
    item: Annotated[Spec, Meta(description="what the customer turned to")]
    before: Annotated[
        Spec | None, Meta(description="the moment before which the history counts")
    ] = None


class DatasetSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What holds for the whole dataset."""

    kind: Annotated[
        Literal["timed", "ordered", "undated"], Meta(description="timed, ordered or undated")
    ]
    source: Annotated[str, Meta(description="where the data come from, in words")]
    order_over: Annotated[
        OrderOver,
        Meta(
            description="whose events an order numbers: those of each customer, or of the whole "
            'dataset (`"dataset"`, only ordered)'
        ),
    ] = "customer"
    zone: Annotated[str | None, Meta(description="the zone of times without one, and of dates")] = (
        None
    )
    currency: Annotated[str | None, Meta(description="of money that names none")] = None
    add_missing_items: Annotated[
        bool,
        Meta(description="makes items that only events or offers name, without features"),
    ] = False
    event_types: Annotated[
        dict[str, str],
        Meta(description="types that are not built in, each with the built-in one that it is like"),
    ] = {}
    channels: Annotated[list[str], Meta(description="channels that are not built in")] = []
    namespaces: Annotated[list[str], Meta(description="namespaces that are not built in")] = []


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


# The keys of a block of events that are not columns of the table.
OF_ROWS = frozenset({*Source.__struct_fields__, "order", "once", "below_zero", "again"})
