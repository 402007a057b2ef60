"""What happened, by a column of types, or by what else a table of events has."""

from training.importing.guess.columns import Column, average
from training.importing.guess.draft import Draft, inline, quoted, texts
from training.importing.guess.roles import Roles
from training.importing.guess.tables import Table
from training.importing.guess.words import SHOWN, TYPES, VERBS, meaning, tokens, whole_meaning


def put_type(
    draft: Draft, table: Table, roles: Roles, where: dict[str, dict[str, str]]
) -> str | None:
    """Add the type of events; returns it where all rows are of one."""
    if "type" in roles:
        column = roles["type"]
        known: dict[str, str] = {}
        unknown, most = [], []
        for value in sorted(column.values.unique()):
            type_ = meaning(value, TYPES) or whole_meaning(value, VERBS)
            if type_ is None and _is_most(column, value):
                type_ = "view"
                most.append(value)
            if type_ is None:
                unknown.append(value)
            else:
                known[value] = quoted(type_)
        draft.put(
            "type",
            inline({"column": quoted(column.name), "map": inline(known)}),
            "what each value says",
        )
        loose = [value for value in known if _is_loose(value, known[value])]
        if loose:
            draft.decide(f"{', '.join(loose)} of {column.name} count as views", table.short)
        if most:
            draft.decide(
                f"nothing says what {', '.join(most)} of {column.name} is: it is half of the rows "
                "or more, and counts as a view",
                table.short,
            )
        rented = [value for value in known if whole_meaning(value, VERBS) == "purchase"]
        if rented:
            draft.decide(f"{', '.join(rented)} of {column.name} count as purchases", table.short)
        if unknown:
            where.setdefault(column.name, {})["not"] = texts(unknown)
        skip_empty(column, where)
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
        stars = column.numbers.drop_nulls().sort()
        best, least = float(stars[-1]), min(0.0, float(stars[0]))
        from_ = f"{least + (best - least) * 0.8:g}"
        below = f"; {int((stars < 0).sum()):,} are below 0" if least < 0 else ""
        where[column.name] = {"": quoted(f">= {from_}")}
        draft.put("type.const", quoted(said), "who rates an item high has used and liked it")
        draft.decide(
            f"of {column.name} only the best, from {from_} on, count, each as a view{below}",
            table.short,
        )
    else:
        said = "view" if "session" in roles and "customer" not in roles else "purchase"
        draft.put("type.const", quoted(said))
        draft.decide(f"nothing says what happened: every row is a {said}", table.short)
    return said


def _is_most(column: Column, value: str) -> bool:
    """Tell whether most rows are of a value that says that someone did something."""
    shown = SHOWN & set(tokens(value))
    return not shown and average(column.values == value) >= 0.5


def _is_loose(value: str, type_: str) -> bool:
    """Tell whether it is a matter of taste that a value counts as a view."""
    words = {"": ("fav", "click", "like")}
    return type_ == quoted("view") and (
        meaning(value, words) == "" or whole_meaning(value, VERBS) == "view"
    )


def skip_empty(column: Column, where: dict[str, dict[str, str]]) -> None:
    """Leave out the rows without a value of a column."""
    if len(column.values) < len(column.raw):
        where.setdefault(column.name, {})["empty"] = "false"
