"""Roles where names do not give them: by what the values of the other columns do.

Only for tables of which none says who did what: what is found here may be wrong, and is told.
"""

from collections.abc import Sequence

import polars as pl

from training.importing.guess.columns import Column, average
from training.importing.guess.roles import FEW, Roles, follows
from training.importing.guess.tables import Table
from training.importing.guess.words import score, tokens

_NOT_IDS = {"name", "title", "category", "brand", "gender", "age", "country", "city", "status"}


def add_missing_role(table: Table, roles: Roles) -> bool:
    """Give the role that a table of events lacks, customer or item, to the column that fits best.

    Returns whether one was found. A table of things, where a column is of another one in each row,
    is none of events.
    """
    if table.written.columns or not roles.keys() & {"time", "type", "quantity", "rating", "order"}:
        return False
    someone = next((role for role in ("customer", "session") if role in roles), None)
    if (someone is None) == ("item" not in roles):
        return False
    known = roles[someone or "item"]
    if known.unique and table.rows > 1:
        return False
    missing = "customer" if someone is None else "item"
    column = _named_title(roles) if missing == "item" else None
    if column is not None:
        del roles["title"]
        roles[missing] = column
        roles.told[missing] = f"nothing but {column.name} says which item: names are taken for ids"
        return True
    column = _by_values(table.columns, roles, known)
    if column is None:
        return False
    roles[missing] = column
    roles.told[missing] = f"nothing but its values says that {column.name} is the {missing}"
    return True


def _named_title(roles: Roles) -> Column | None:
    """Return the column of names, which are of items where no other column tells these apart."""
    column = roles.get("title")
    if column is None or column.unique or column.distinct < 2:
        return None
    return None if score(column.name, "customer") else column


def _by_values(columns: Sequence[Column], roles: Roles, known: Column) -> Column | None:
    """Return the column of most ids that are not told of the `known` column's things."""
    free = [
        column
        for column in columns
        if column.plain and column.name not in roles.taken and _looks_like_ids(column)
    ]
    frame = pl.DataFrame([known.raw, *(column.raw for column in free)])
    free = [column for column in free if not follows(frame, known.name, column.name)]
    return max(free, key=lambda column: column.distinct, default=None)


def _looks_like_ids(column: Column) -> bool:
    if column.distinct < 2 or column.unique or column.wordy or column.time:
        return False
    if _NOT_IDS & set(tokens(column.name)):
        return False
    if column.number:
        return column.whole and column.distinct > FEW
    return column.distinct > FEW or average(column.values.str.contains(r"\d")) > 0.9
