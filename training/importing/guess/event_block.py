"""The block of a table of events, as far as its columns tell."""

from collections.abc import Mapping

import polars as pl

from training.importing.guess.columns import Column, average
from training.importing.guess.context import Context, put_identifier
from training.importing.guess.draft import Draft, inline, quoted, texts
from training.importing.guess.order import order_columns
from training.importing.guess.roles import Roles, clock_beside
from training.importing.guess.tables import Table
from training.importing.guess.words import (
    CHANNELS,
    CURRENCIES,
    SERVICES,
    TYPES,
    meaning,
    namespace_of,
    plain,
    tokens,
)

# Names of nobody that stand where a customer would; a single one with this share of the rows.
_NOBODY = {"0", "-1", "unknown", "guest", "anonymous", "none", "null", "nan", "n/a", "na", "-"}
_MANY = 0.02
_IN_STORES = {
    *("store", "shop", "filiale", "till", "kasse", "bon", "kassenbon", "branch", "tienda"),
}


def event_block(table: Table, roles: Roles, context: Context) -> Draft:
    """Return the block, and what it leaves to decide."""
    draft = Draft()
    draft.head("[[events]]")
    draft.put("file", quoted(table.name))
    put_read(draft, table)
    where: dict[str, dict[str, str]] = {}
    body = Draft()
    _put_customer(body, table, roles, where, context)
    kind = _put_type(body, table, roles, where)
    _put_channel(body, table, roles)
    _put_order(body, table, roles, context, where)
    _put_item(body, table, roles, where, kind)
    _put_amounts(body, table, roles, context, where)
    for role, name in (("order", "receipt"), ("store", "place")):
        if role in roles:
            body.put(name, quoted(roles[role].name), _why(roles, role))
    if where:
        _put_where(draft, table, where)
    draft.add(body)
    unused = [column.name for column in table.columns if column.name not in roles.taken]
    if unused:
        draft.tell(f"Not used: {', '.join(unused)}.")
    return draft


def put_read(draft: Draft, table: Table) -> None:
    """Say how a file is written, where it cannot be seen."""
    said: dict[str, str] = {}
    if table.written.encoding is not None:
        said["encoding"] = quoted(table.written.encoding)
        odd = next((value for c in table.columns for value in c.values if not value.isascii()), "")
        draft.decide(
            f"the text is not UTF-8 and was taken for {table.written.encoding}: does {odd[:40]!r} "
            "read right? Others are latin-1, cp1250, cp1251, mac-roman",
            table.short,
        )
    if table.written.columns:
        said["columns"] = texts(table.written.columns)
        draft.decide("the file has no header: give its columns their names", table.short)
    if said:
        draft.put("read", inline(said))


def _why(roles: Roles, role: str) -> str:
    others = roles.others.get(role, [])
    why = "by its values" if role in roles.by_values else ""
    return "; ".join(filter(None, (why, f"or: {', '.join(others)}" if others else "")))


def _put_where(draft: Draft, table: Table, where: dict[str, dict[str, str]]) -> None:
    named = {column.name: column for column in table.columns}
    for name, tests in where.items():
        empty = len(named[name].raw) - len(named[name].values)
        if "empty" in tests:
            share = empty / table.rows
            draft.decide(
                f"{empty:,} of {table.extent} ({share:.1%}) have no {name} and are left out",
                table.short,
            )
        if "not" in tests:
            draft.decide(f"rows with {name} of {tests['not']} are left out", table.short)
    conditions = {name: tests.get("") or inline(tests) for name, tests in where.items()}
    draft.put("where", inline(conditions))


def _put_customer(
    draft: Draft,
    table: Table,
    roles: Roles,
    where: dict[str, dict[str, str]],
    context: Context,
) -> None:
    role = "customer" if "customer" in roles else "session"
    column = roles[role]
    namespace = namespace_of(column.name)
    draft.put("namespace.const", quoted(namespace), f"what {column.name} is an identifier of")
    put_identifier(draft, column, context, _why(roles, role))
    if role == "session":
        draft.decide(
            f"each {column.name} is a customer of its own, as no column names customers", table.name
        )
    if "customer" in roles.by_values:
        draft.decide(
            f"nothing but their values says that {column.name} is the customer and "
            f"{roles['item'].name} the item",
            table.short,
        )
    _skip_empty(column, where)
    nobody = [
        value
        for value in column.top(3)
        if plain(value) in _NOBODY and average(column.values == value) >= _MANY
    ]
    if nobody:
        where.setdefault(column.name, {})["not"] = texts(nobody)


def _skip_empty(column: Column, where: dict[str, dict[str, str]]) -> None:
    if len(column.values) < len(column.raw):
        where.setdefault(column.name, {})["empty"] = "false"


def _put_type(
    draft: Draft, table: Table, roles: Roles, where: dict[str, dict[str, str]]
) -> str | None:
    """Add the type; returns it where all rows are of one."""
    if "type" in roles:
        column = roles["type"]
        known: dict[str, str] = {}
        unknown = []
        for value in sorted(column.values.unique()):
            type_ = meaning(value, TYPES)
            if type_ is None:
                unknown.append(value)
            else:
                known[value] = quoted(type_)
        draft.put(
            "type",
            inline({"column": quoted(column.name), "map": inline(known)}),
            "what each value says",
        )
        loose = [value for value in known if meaning(value, {"": ("fav", "click", "like")}) == ""]
        if loose:
            draft.decide(f"{', '.join(loose)} of {column.name} count as views", table.short)
        if unknown:
            where.setdefault(column.name, {})["not"] = texts(unknown)
        _skip_empty(column, where)
        return None
    said = meaning(table.stem, TYPES)
    if said is not None:
        draft.put("type.const", quoted(said), "as the file is called")
    elif roles.keys() & {"quantity", "price", "amount", "order"}:
        said = "purchase"
        draft.put("type.const", quoted(said), "rows have what a sale has, and no other type")
    elif "rating" in roles:
        said = "view"
        column = roles["rating"]
        best = float(column.numbers.drop_nulls().sort()[-1])
        where[column.name] = {"": quoted(f">= {best * 0.8:g}")}
        draft.put("type.const", quoted(said), "who rates an item high has used and liked it")
        draft.decide(
            f"of {column.name} only the best, from {best * 0.8:g} on, count, each as a view",
            table.short,
        )
    else:
        said = "view" if "session" in roles and "customer" not in roles else "purchase"
        draft.put("type.const", quoted(said))
        draft.decide(f"nothing says what happened: every row is a {said}", table.short)
    return said


def _put_channel(draft: Draft, table: Table, roles: Roles) -> None:
    words = {word for column in table.columns for word in tokens(column.name)}
    words |= set(tokens(table.stem))
    usual = "web"
    if words & {
        "store",
        "shop",
        "filiale",
        "till",
        "kasse",
        "bon",
        "kassenbon",
        "branch",
        "tienda",
    }:
        usual = "store"
    if "channel" in roles:
        column = roles["channel"]
        known = {
            value: quoted(channel)
            for value in sorted(column.values.unique())
            if (channel := meaning(value, CHANNELS)) is not None
        }
        draft.put(
            "channel",
            inline({"column": quoted(column.name), "map": inline(known), "default": quoted(usual)}),
        )
        draft.decide(f"rows without a known {column.name} are of the channel {usual}", table.short)
        return
    draft.put("channel.const", quoted(usual))
    draft.decide(f"nothing says where it happened: the channel is {usual}", table.short)


def _put_order(
    draft: Draft,
    table: Table,
    roles: Roles,
    context: Context,
    where: dict[str, dict[str, str]],
) -> None:
    if context.kind == "ordered":
        draft.put("order", texts(order_columns(table, roles)), "the columns that number the rows")
        draft.decide("the order of events is by these columns", table.short)
        return
    if context.kind != "timed":
        return
    column = roles["time"]
    clock = clock_beside(roles, table.columns)
    if clock is not None:
        draft.put("time", inline({"template": quoted(f"{{{column.name}}} {{{clock.name}}}")}))
    elif column.moments.unclear.any() and table.whole:
        shown = column.values.filter(column.moments.unclear)[0]
        draft.put("time", inline({"column": quoted(column.name), "format": quoted("day_first")}))
        draft.decide(
            f"{shown} of {column.name} may be two days, and nothing shows which: taken with the "
            'day first; format = "month_first" is the other way',
            table.short,
        )
    else:
        examples = ", ".join(column.top(1))
        note = f"; {column.moments.note}" if column.moments.note else ""
        draft.put("time", quoted(column.name), f"such as {examples}{note}")
    _skip_empty(column, where)


def _put_item(
    draft: Draft, table: Table, roles: Roles, where: dict[str, dict[str, str]], kind: str | None
) -> None:
    if "item" not in roles:
        draft.decide("no column names items", table.short)
        return
    column = roles["item"]
    draft.put("item", quoted(column.name), _why(roles, "item"))
    if kind is not None:
        _skip_empty(column, where)
    services = services_of(table, roles)
    if services:
        where.setdefault(column.name, {})["not"] = texts(services)


def services_of(table: Table, roles: Roles) -> list[str]:
    """Return the codes of lines that are no goods: postage, fees, corrections."""
    column = roles["item"]
    if "title" not in roles:
        wordy = ~column.values.str.contains(r"\d")
        return sorted(column.values.filter(wordy).unique()) if average(wordy) <= 0.05 else []
    pairs = pl.DataFrame({"code": column.raw.cast(pl.String()), "title": roles["title"].raw})
    strange = pairs.drop_nulls().filter(~pl.col("code").str.contains(r"\d\d\d")).unique()
    # Goods of a short code may once have been called a sample: most of a code's titles tell.
    titles = strange.group_by("code", maintain_order=True).agg("title")
    found = [
        code
        for code, names in titles.iter_rows()
        if 2 * sum(bool(SERVICES.search(plain(name))) for name in names) > len(names)
    ]
    return sorted(found)


def _put_amounts(
    draft: Draft,
    table: Table,
    roles: Roles,
    context: Context,
    where: dict[str, dict[str, str]],
) -> None:
    if "quantity" in roles:
        column = roles["quantity"]
        draft.put("quantity", quoted(column.name), _why(roles, "quantity"))
        nothing = column.values.filter((column.numbers == 0).fill_null(False)).unique().sort()
        if len(nothing):
            where.setdefault(column.name, {})["not"] = texts(nothing)
        below = int((column.numbers < 0).sum())
        if below:
            draft.decide(
                f"{below:,} of {table.extent} have a {column.name} below 0: what is bought "
                'comes back; below_zero = "reject" leaves them out',
                table.short,
            )
            draft.put("below_zero", quoted("return"))
    value = None
    if "amount" in roles:
        value = quoted(roles["amount"].name)
    elif "price" in roles and "quantity" in roles:
        value = inline(
            {"column": quoted(roles["price"].name), "times": quoted(roles["quantity"].name)}
        )
    elif "price" in roles:
        value = quoted(roles["price"].name)
    if value is None:
        return
    off = context.currency is None
    if off:
        draft.decide("no currency is known: say dataset.currency and take this in", table.short)
    draft.put("amount", value, off=off)


def currency_of(roles_by_table: Mapping[str, Roles]) -> str | None:
    """Return the currency that the name of a column of money ends in, if all agree."""
    found = {
        word.upper()
        for roles in roles_by_table.values()
        for role in ("amount", "price")
        if role in roles
        for word in tokens(roles[role].name)
        if word in CURRENCIES
    }
    return found.pop() if len(found) == 1 else None
