"""What a guess knows of all tables together, and what follows of it for each of them."""

from dataclasses import dataclass

from training.importing.guess.columns import Column
from training.importing.guess.draft import Draft, inline, quoted


@dataclass(frozen=True)
class Context:
    """What holds for all tables: how events are ordered, and the currency, if any is known.

    Where customers are numbered `from_zero`, their numbers get a letter in front: an identifier of
    only zeros means nobody.
    """

    kind: str
    currency: str | None
    from_zero: bool = False


def put_identifier(draft: Draft, column: Column, context: Context, why: str = "") -> None:
    """Say who is meant: whom a column names."""
    if context.from_zero:
        template = inline({"template": quoted(f"u{{{column.name}}}")})
        draft.put("identifier", template, "they are numbered from 0, and 0 alone means nobody")
    else:
        draft.put("identifier", quoted(column.name), why)
