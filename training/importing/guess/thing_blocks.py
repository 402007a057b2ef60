"""The blocks of tables that describe items and customers."""

from collections.abc import Sequence

import polars as pl

from training.importing.guess.columns import Column, average
from training.importing.guess.context import Context, put_identifier
from training.importing.guess.draft import Draft, inline, quoted, texts
from training.importing.guess.event_block import put_read
from training.importing.guess.roles import Roles, follows
from training.importing.guess.tables import Table
from training.importing.guess.words import namespace_of, tokens

MOST = 60  # features of an item
_FLAGS = ({"0", "1"}, {"false", "true"}, {"n", "y"}, {"no", "yes"})
_SEPARATORS = ("|", ";", ", ", ",", "/")


def items_block(table: Table, roles: Roles, context: Context) -> Draft:
    """Return the block of a table of items."""
    draft = Draft()
    draft.head("[[items]]")
    draft.put("file", quoted(table.name))
    put_read(draft, table)
    draft.put("item", quoted(roles["item"].name))
    if roles["item"].distinct < len(roles["item"].values):
        draft.put("again", quoted("first"), "some items are described more than once")
    if "title" in roles:
        draft.put("title", quoted(roles["title"].name))
    if "price" in roles:
        off = context.currency is None
        if off:
            draft.decide("no currency is known: say dataset.currency and take this in", table.short)
        draft.put("price", quoted(roles["price"].name), off=off)
    taken = {roles[role].name for role in ("item", "title", "price") if role in roles}
    _put_told(draft, table, [c for c in table.columns if c.name not in taken], "items.features")
    return draft


def items_of_events(table: Table, roles: Roles) -> Draft | None:
    """Return the block of the items that a table of events describes in passing, if it does."""
    if "item" not in roles:
        return None
    item = roles["item"]
    frame = pl.DataFrame([column.raw for column in table.columns if column.plain])
    kept = {"customer", "session", "time", "type", "channel", "order", "quantity", "amount"}
    taken = {roles[role].name for role in kept if role in roles} | {item.name}
    told = [
        column
        for column in table.columns
        if column.plain
        and column.name not in taken
        and column.distinct > 1
        and not (column.number and not column.whole)
        and follows(frame, item.name, column.name)
    ]
    title = next((column for column in told if column.wordy), None)
    if title is None and "title" in roles and roles["title"] in told:
        title = roles["title"]
    features = [column for column in told if column is not title]
    if title is None and not features:
        return None
    draft = Draft()
    draft.head("[[items]]")
    draft.tell("What the rows say of the items themselves; the first row of each counts.")
    draft.put("file", quoted(table.name))
    if table.written.columns or table.written.encoding:
        put_read(draft, table)
        draft.undecided.clear()  # it is told of the events of the same file
    if item.filled < 1:
        draft.put("where", inline({item.name: inline({"empty": "false"})}))
    draft.put("item", quoted(item.name))
    draft.put("again", quoted("first"))
    if title is not None:
        draft.put("title", quoted(title.name), "it goes with the item")
    _put_told(draft, table, features, "items.features")
    return draft


def properties_block(table: Table, roles: Roles) -> Draft:
    """Return the block of a table of one property of an item a row."""
    draft = Draft()
    draft.head("[[items]]")
    draft.tell("One property a row: those that many items have become features.")
    draft.put("file", quoted(table.name))
    put_read(draft, table)
    item, name, value = (roles[role] for role in ("item", "property", "value"))
    pivot = {"by": item.name, "name": name.name, "value": value.name}
    frame = pl.DataFrame(
        {role: roles[role].raw.cast(pl.String()) for role in ("item", "property", "value")}
    )
    shares = (
        frame.drop_nulls()
        .group_by("property")
        .agg(pl.col("item").n_unique().alias("items"), pl.col("value").n_unique().alias("values"))
        .filter((pl.col("items") >= 0.05 * item.distinct) & pl.col("values").is_between(2, 2_000))
        .sort(["items", "property"], descending=[True, False])
        .head(12)
    )
    chosen = shares["property"].to_list()
    said = {role: quoted(name) for role, name in pivot.items()} | {"columns": texts(chosen)}
    if "time" in roles:
        said["latest"] = quoted(roles["time"].name)
    draft.put("pivot", inline(said))
    draft.put("item", quoted(item.name))
    draft.put("features", inline({_feature(one, "p"): quoted(one) for one in chosen}))
    draft.decide(
        f"of {name.distinct:,} properties the {len(chosen)} that most items have are features",
        table.short,
    )
    return draft


def customers_block(table: Table, roles: Roles, context: Context) -> Draft:
    """Return the block of a table of customers."""
    draft = Draft()
    column = roles["customer"]
    draft.head("[[customers]]")
    draft.put("file", quoted(table.name))
    put_read(draft, table)
    draft.put("namespace.const", quoted(namespace_of(column.name)))
    put_identifier(draft, column, context)
    if column.distinct < len(column.values):
        draft.put("again", quoted("first"), "some customers are described more than once")
    if not _put_told(
        draft, table, [c for c in table.columns if c is not column], "customers.attributes"
    ):
        draft.put("attributes", "{}")
    return draft


def _put_told(draft: Draft, table: Table, columns: Sequence[Column], title: str) -> bool:
    """Add what is told of a thing: columns of few values, lists, and flags."""
    chosen: list[tuple[Column, str]] = []
    left = []
    for column in columns:
        spec = _spec(column, lists=title.startswith("items"))
        if spec is None:
            left.append(column.name)
        else:
            chosen.append((column, spec))
    if len(chosen) > MOST:
        draft.decide(f"only the first {MOST} of {len(chosen)} features are taken", table.short)
        chosen = chosen[:MOST]
    if left:
        draft.tell(f"Not used: {', '.join(left)}.")
    if chosen:
        draft.head(f"[{title}]")
        for column, spec in chosen:
            draft.put(_feature(column.name, "f"), spec, ", ".join(column.top(3))[:60])
    return bool(chosen)


def _feature(name: str, letter: str) -> str:
    words = "_".join(tokens(name))
    return words if words[:1].isalpha() else f"{letter}_{words}"


def _spec(column: Column, *, lists: bool) -> str | None:
    """Return where a feature comes from, or None for a column that is of no use as one."""
    if column.plain is False:
        return quoted(column.name) if lists and column.raw.dtype == pl.List(pl.String()) else None
    if column.distinct < 2 or (column.unique and len(column.values) > 20):
        return None
    values = {str(value).lower() for value in column.top(3)}
    if lists and any(values == set(flags) for flags in _FLAGS):
        yes = next(value for value in column.top(2) if value.lower() in ("1", "true", "y", "yes"))
        return inline(
            {"column": quoted(column.name), "map": inline({yes: quoted("yes")}), "default": '""'}
        )
    if column.number and (
        not column.whole or (column.distinct > 100 and "id" not in tokens(column.name))
    ):
        return None
    if column.time and not column.number:
        return None
    if lists and not column.number:
        for separator in _SEPARATORS:
            parts = column.values.str.split(separator)
            if average(parts.list.len() > 1) < 0.2:
                continue
            words = parts.explode().n_unique()
            if words <= 0.5 * column.distinct + 20:
                return inline({"column": quoted(column.name), "split": quoted(separator)})
    if column.distinct > 0.5 * len(column.values) and len(column.values) > 20:
        return None
    return quoted(column.name) if average(column.values.str.len_chars()) <= 60 else None
