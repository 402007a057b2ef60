"""Which column of a table is the customer, the item, the time, and so on, by names and values."""

from collections.abc import Mapping, Sequence

import polars as pl

from training.importing.guess.columns import Column, average
from training.importing.guess.tables import Table
from training.importing.guess.words import CHANNELS, IDS, TYPES, meaning, score, tokens

FEW = 60  # values of a column that says what happened, or where
# The order in which roles are given: what is certain by its values first.
_BY_NAME = (
    *("customer", "item", "session", "order", "quantity", "price", "amount", "rating", "store"),
    *("property", "value", "title"),
)
_NUMBERS = ("quantity", "price", "amount", "rating")


class Roles(dict[str, Column]):
    """The columns by role; `others` are those that might have been taken for it, best first."""

    def __init__(self) -> None:
        super().__init__()
        self.others: dict[str, list[str]] = {}
        self.by_values: set[str] = set()

    @property
    def taken(self) -> set[str]:
        """The names of the columns that have a role."""
        return {column.name for column in self.values()}


def roles_of(table: Table) -> Roles:
    """Return the roles of the columns of a table."""
    roles = Roles()
    columns = [column for column in table.columns if column.plain and len(column.values)]
    named = not table.written.columns
    _time(roles, columns, named)
    _vocabulary(roles, columns, "type", TYPES)
    _vocabulary(roles, columns, "channel", CHANNELS)
    for role in _BY_NAME:
        free = [column for column in columns if column.name not in roles.taken]
        rated = sorted(
            ((_fit(column, role), -place) for place, column in enumerate(free)), reverse=True
        )
        best = [free[-place] for fit, place in rated if fit > 0]
        if best:
            roles[role] = best[0]
            roles.others[role] = [column.name for column in best[1:4]]
    if named:
        _by_its_file(roles, columns, table)
    else:
        _by_values(roles, columns)
    return roles


def clock_beside(roles: Roles, columns: Sequence[Column]) -> Column | None:
    """Return the column with the time of day, where the time is only a date."""
    if "time" not in roles:
        return None
    local = roles["time"].moments.local.drop_nulls()
    if not len(local) or bool((local != local.dt.truncate("1d")).any()):
        return None
    return next((column for column in columns if column.clock), None)


def _time(roles: Roles, columns: Sequence[Column], named: bool) -> None:
    rated = []
    for place, column in enumerate(columns):
        said = column.says("time")
        digits = column.number and not column.raw.dtype.is_temporal()
        if not column.time or (digits and named and (said < 1.5 or _is_id(column))):
            continue
        rated.append((said + (not digits) + column.filled, -place, column))
    rated.sort(key=lambda entry: entry[:2], reverse=True)
    if rated:
        roles["time"] = rated[0][2]
        roles.others["time"] = [column.name for *_, column in rated[1:4]]


def _is_id(column: Column) -> bool:
    return "id" in tokens(column.name)


def _vocabulary(
    roles: Roles, columns: Sequence[Column], role: str, words: Mapping[str, tuple[str, ...]]
) -> None:
    """Give `role` to the column of few values, of which words of the vocabulary are most rows."""
    best = 0.0
    for column in columns:
        if column.name in roles.taken or column.number or column.distinct > FEW or column.wordy:
            continue
        counts = column.values.alias("value").value_counts()
        known = [meaning(value, words) is not None for value in counts["value"]]
        rows = int(counts["count"].filter(pl.Series(known, dtype=pl.Boolean())).sum())
        share = rows / len(column.values)
        said = column.says(role)
        if share >= (0.3 if said else 0.9) and share + said / 3 > best:
            best, roles[role] = share + said / 3, column


def _fit(column: Column, role: str) -> float:
    """Return how well a column fits a role by its name, 0 where its values cannot be that."""
    said = column.says(role)
    if not said or (role in IDS and said < 1):
        return 0.0
    if role in _NUMBERS and not column.number:
        return 0.0
    if role in ("customer", "item", "session") and (
        (column.distinct < 2 < len(column.raw))
        or (column.number and not column.whole)
        or column.wordy
    ):
        return 0.0
    if role == "title" and (column.number or "id" in tokens(column.name)):
        return 0.0
    if role in ("quantity", "price", "amount", "rating") and _is_id(column):
        return 0.0
    return said + 0.2 * column.filled


def _by_its_file(roles: Roles, columns: Sequence[Column], table: Table) -> None:
    """Take a column `id` for what its file is named after."""
    for role in ("item", "customer"):
        if role in roles or not score(table.stem, role):
            continue
        for column in columns:
            if tokens(column.name)[-1:] in (["id"], ["code"], ["nr"]) and column.unique:
                taken = next((r for r, c in roles.items() if c.name == column.name), None)
                if taken is None:
                    roles[role] = column
                    break


def _by_values(roles: Roles, columns: Sequence[Column]) -> None:
    """Give roles to columns without names, by what their values do beside each other."""
    free = [column for column in columns if column.name not in roles.taken]
    frame = pl.DataFrame({column.name: column.raw.cast(pl.String()) for column in columns})
    # Of few things there may be as few as there are numbers of pieces: they come second.
    ids = [column for column in free if _names_things(column) and not _counts(column)]
    if len(ids) < 2:
        ids = [column for column in free if _names_things(column)]
    if "time" in roles:
        # A receipt has one moment, a customer and an item have many.
        when = roles["time"].name
        spread = {column.name: _distinct_by_each(frame, column.name, when) for column in ids}
        repeated = [column for column in ids if spread[column.name] > 1.05]
        ids = repeated if len(repeated) >= 2 else ids
    if len(ids) < 2:
        return
    bought = _bought(frame, roles)
    titled = [
        column
        for column in ids
        for other in free
        if other.wordy and follows(frame, column.name, other.name)
    ]
    if titled:
        item = max(titled, key=lambda column: column.distinct)
        customer = next(column for column in ids if column is not item)
    else:
        customer = ids[0]
        item = _shared(frame, bought, customer, free) or max(ids[1:], key=lambda c: c.distinct)
    roles["customer"], roles["item"] = customer, item
    roles.by_values |= {"customer", "item"}
    for role, fits in (("quantity", _counts), ("title", lambda column: column.wordy)):
        known = [c for c in free if not bought[c.name].null_count() or role == "title"]
        found = next((c for c in known if c.name not in roles.taken and fits(c)), None)
        if found is not None and (role != "title" or follows(frame, item.name, found.name)):
            roles[role] = found
            roles.by_values.add(role)


def _bought(frame: pl.DataFrame, roles: Roles) -> pl.DataFrame:
    """Return the rows that say that something was bought; all, where no row says what it is."""
    if "type" not in roles:
        return frame
    types = roles["type"].values.unique()
    sold = [value for value in types if meaning(value, TYPES) == "purchase"]
    return frame.filter(pl.col(roles["type"].name).is_in(sold))


def _shared(
    frame: pl.DataFrame, bought: pl.DataFrame, customer: Column, free: Sequence[Column]
) -> Column | None:
    """Return the column of ids that customers have in common, as they have items.

    Rows in which something was `bought` have an item.
    """
    named = [
        column
        for column in free
        if column is not customer
        and _names_things(column)
        and bought[column.name].null_count() <= 0.1 * bought.height
        and _distinct_by_each(frame, column.name, customer.name) > 1.01
    ]
    things = [column for column in named if not _counts(column)] or named
    return max(things, key=lambda column: column.distinct, default=None)


def _names_things(column: Column) -> bool:
    """Tell whether values look like ids: whole numbers or codes, of enough things."""
    if column.wordy or column.distinct < min(20, len(column.values) // 5) or column.distinct < 2:
        return False
    if column.number:
        return column.whole
    return column.distinct > FEW or average(column.values.str.contains(r"\d")) > 0.9


def _distinct_by_each(frame: pl.DataFrame, name: str, other: str) -> float:
    """Return with how many values of `other` each value of `name` comes, in the mean."""
    pairs = frame.select(name, other).drop_nulls()
    return pairs.n_unique() / max(1, pairs[name].n_unique())


def _counts(column: Column) -> bool:
    """Tell whether numbers look like pieces: whole, small, hardly any of them often other."""
    if not column.whole or not len(column.values):
        return False
    sizes = column.numbers.drop_nulls().abs()
    return average(sizes <= 12) >= 0.5 and column.distinct <= max(FEW, len(sizes) // 50)


def follows(frame: pl.DataFrame, one: str, other: str) -> bool:
    """Tell whether a value of `one` nearly always goes with the same value of `other`."""
    pairs = frame.select(one, other).drop_nulls()
    if not pairs.height:
        return False
    counts = pairs.group_by(one, other).len().group_by(one).agg(pl.col("len").max())
    # How much less often it is missed than by always saying the most frequent one.
    usual = int(pairs[other].value_counts(sort=True)["count"][0]) / pairs.height
    known = float(counts["len"].sum()) / pairs.height
    repeats = pairs[one].n_unique() < 0.9 * pairs.height
    return repeats and usual < 1 and (known - usual) / (1 - usual) >= 0.8
