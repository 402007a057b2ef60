"""Write a first mapping for files, which imports as it is, and name what it could not decide."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadDataset
from training.importing.guess.columns import Column
from training.importing.guess.context import Context
from training.importing.guess.draft import Draft, quoted
from training.importing.guess.event_block import currency_of, event_block
from training.importing.guess.order import order_columns
from training.importing.guess.roles import Roles, roles_of
from training.importing.guess.tables import Table, tables_of
from training.importing.guess.thing_blocks import (
    customers_block,
    items_block,
    items_of_events,
    properties_block,
)

_OVERLAP = 0.2  # of the items of events that a table of items must know


@dataclass(frozen=True)
class Guess:
    """The text of a mapping, what it leaves to decide, and the files that it does not use."""

    text: str
    undecided: list[str]
    unused: list[str]


def guess_mapping(files: Iterable[str], directory: Path) -> Guess:
    """Return a mapping of `files`, folders and patterns, with names as seen from `directory`.

    Raises `BadDataset` where no table says who did something with what, `FileNotFoundError` where a
    file is absent.
    """
    tables = {table.name: table for table in tables_of(files, directory)}
    roles = {name: roles_of(table) for name, table in tables.items()}
    events = [name for name in tables if _is_events(tables[name], roles[name])]
    if not events:
        raise BadDataset(_no_events(tables, roles))
    kind = _kind(events, tables, roles)
    draft, unused = Draft(), []
    if kind == "timed":
        untimed = [name for name in events if "time" not in roles[name]]
        unused += [f"{tables[name].short}: its events have no time" for name in untimed]
        events = [name for name in events if name not in untimed]
    context = Context(kind, currency_of(roles), _from_zero(roles))
    described = Draft()
    items = _described(events, tables, roles, context, described, unused)
    _put_dataset(draft, events, roles, context)
    for name in events:
        draft.add(event_block(tables[name], roles[name], context))
    if not items:
        for name in events:
            found = items_of_events(tables[name], roles[name])
            if found is not None:
                draft.add(found)
                break
    draft.add(described)
    return Guess(draft.text(), draft.undecided, unused)


def _from_zero(roles: dict[str, Roles]) -> bool:
    """Tell whether customers are numbered, and one of them is 0."""
    columns = [
        one[role] for one in roles.values() for role in ("customer", "session") if role in one
    ]
    return any({"0", "1"} <= set(column.values) for column in columns)


def _is_events(table: Table, roles: Roles) -> bool:
    if not {"customer", "session"} & roles.keys():
        return False
    return "item" in roles or "type" in roles


def _no_events(tables: dict[str, Table], roles: dict[str, Roles]) -> str:
    name = max(tables, key=lambda one: len(roles[one]))
    columns = ", ".join(column.name for column in tables[name].columns)
    lacks = "items" if roles[name].keys() & {"customer", "session"} else "customers"
    return (
        f"{name}: no column of {lacks} found among {columns}; rename them, or write the mapping "
        "by hand: throughline import --schema"
    )


def _kind(events: list[str], tables: dict[str, Table], roles: dict[str, Roles]) -> str:
    if any("time" in roles[name] for name in events):
        return "timed"
    if all(order_columns(tables[name], roles[name]) for name in events):
        return "ordered"
    return "undated"


def _described(
    events: list[str],
    tables: dict[str, Table],
    roles: dict[str, Roles],
    context: Context,
    draft: Draft,
    unused: list[str],
) -> bool:
    """Add the tables that describe items and customers; returns whether one has items."""
    has_items = False
    for name, table in tables.items():
        short = table.short
        if name in events or _is_events(table, roles[name]):
            continue
        found = roles[name]
        if {"item", "property", "value"} <= found.keys():
            draft.add(properties_block(table, found))
            has_items = True
        elif "item" in found and found["item"].distinct >= 0.9 * len(found["item"].values):
            if _known(
                found["item"], [roles[one]["item"] for one in events if "item" in roles[one]]
            ):
                draft.add(items_block(table, found, context))
                has_items = True
            else:
                unused.append(f"{short}: its {found['item'].name} are not the items of the events")
        elif "customer" in found and found["customer"].distinct >= 0.9 * table.rows:
            draft.add(customers_block(table, found, context))
        else:
            unused.append(f"{short}: it says neither who did what, nor what an item or customer is")
    return has_items


def _known(described: Column, named: list[Column]) -> bool:
    """Tell whether a table describes the items that events name."""
    ids = set(described.values)
    for column in named:
        items = column.values.unique()
        if len(items) and sum(item in ids for item in items) >= _OVERLAP * len(items):
            return True
    return not named


def _put_dataset(
    draft: Draft, events: list[str], roles: dict[str, Roles], context: Context
) -> None:
    draft.tell(
        "A first mapping, guessed from names and samples. Look at what is marked `To decide`; "
        "`throughline import --schema` tells what else there is to say."
    )
    draft.head("[dataset]")
    draft.put("kind", quoted(context.kind), _why_kind(context.kind))
    draft.put(
        "source",
        quoted(", ".join(Path(name).name for name in events)),
        "say where the data come from",
    )
    if context.kind == "timed" and any(roles[name]["time"].naive for name in events):
        draft.decide("times have no zone and are read in UTC: say which zone they are in")
        draft.put("zone", quoted("UTC"))
    if context.kind == "undated":
        draft.decide("no column of times or of an order was found: nothing comes before another")
    if context.currency is not None:
        draft.put("currency", quoted(context.currency), "as the column of money is called")
    draft.put("add_missing_items", "true", "items that only events name are items, too")


def _why_kind(kind: str) -> str:
    return {
        "timed": "the events have times",
        "ordered": "the events have no times, but numbers",
        "undated": "the events have neither times nor an order",
    }[kind]
