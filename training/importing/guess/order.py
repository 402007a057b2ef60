"""Which columns number the events of a table that has no times."""

import polars as pl

from training.importing.guess.roles import Roles
from training.importing.guess.tables import Table
from training.importing.guess.words import tokens


def order_columns(table: Table, roles: Roles) -> list[str]:
    """Return the columns that number the rows of a customer, if there are any."""
    words = {"sequence", "seq", "number", "position", "step", "rank", "order", "nr", "day", "week"}
    free = [
        column
        for column in table.columns
        if column.plain and column.whole and column.name not in roles.taken - _order_name(roles)
    ]
    last = next((c for c in free if words & set(tokens(c.name)[-1:]) and c.distinct > 1), None)
    if last is None:
        return []
    # What numbers the events within something else, such as a visit, comes after that.
    frame = pl.DataFrame([column.raw for column in free])
    customer = roles["customer" if "customer" in roles else "session"].raw.alias("\0customer")
    frame = frame.with_columns(customer)
    for outer in free:
        if outer is last or outer.filled < 1 or outer.unique:
            continue
        numbered = frame.drop_nulls(last.name).select("\0customer", outer.name, last.name)
        within = numbered.n_unique() >= 0.98 * numbered.height
        alone = frame.drop_nulls(last.name).select("\0customer", last.name)
        if within and alone.n_unique() < 0.98 * alone.height and "id" in tokens(outer.name):
            return [outer.name, last.name]
    return [last.name]


def _order_name(roles: Roles) -> set[str]:
    return {roles["order"].name} if "order" in roles else set()
