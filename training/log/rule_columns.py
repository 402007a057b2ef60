"""The rules for what comes in, of whole columns: a reason for each row, null where none is wrong.

A rule is asked once for each distinct value, and only for those that a look at the column does not
settle.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import polars as pl

from models.domain.input.reasons import Fault, told_first

Rule = Callable[[str], str]


class Finding(NamedTuple):
    """What is wrong in a column: for each row a reason, or null where nothing is."""

    column: str
    reasons: pl.Series


def text_reasons(values: pl.Series, rule: Rule, plain: int = 0) -> pl.Series:
    """Return the reasons of texts; printable ASCII of 1 to `plain` bytes is never asked about."""
    asked = values if not plain else values.filter(~values.str.contains(f"^[ -~]{{1,{plain}}}$"))
    wrong = {
        value: reason
        for value in asked.unique().drop_nulls().to_list()
        if (reason := str(rule(value)))
    }
    if not wrong:
        return no_reasons(len(values))
    return values.replace_strict(
        list(wrong), list(wrong.values()), default=None, return_dtype=pl.String()
    )


def number_reasons(
    values: pl.Series, rule: Callable[[Any], str], low: float, high: float
) -> pl.Series:
    """Return the reasons of numbers; those from `low` to `high` are never asked about."""
    asked = (values.is_not_null() & ~values.is_between(low, high)).fill_null(False)
    return row_reasons(asked, values.filter(asked).to_list(), rule)


def row_reasons(asked: pl.Series, values: Iterable[Any], rule: Callable[[Any], str]) -> pl.Series:
    """Return the reasons of the rows that are `asked` about, one of `values` each."""
    reasons = no_reasons(len(asked))
    if not asked.any():
        return reasons
    found = [str(rule(value)) or None for value in values]
    return reasons.scatter(asked.arg_true(), pl.Series(found, dtype=pl.String()))


def list_reasons(
    lists: pl.Series, rule: Rule, whole: Callable[[Sequence[str]], Iterable[Fault]]
) -> pl.Series:
    """Return the reasons of lists of texts, asked as a whole where a text of them is refused.

    `whole` is also asked about every list that is not of one text.
    """
    texts = lists.explode().unique().drop_nulls().to_list()
    bad = {text for text in texts if rule(text)}
    suspects = lists.list.len() != 1
    if bad:
        suspects |= lists.list.eval(pl.element().is_in(list(bad))).list.any()
    suspects &= lists.is_not_null()
    return row_reasons(
        suspects.fill_null(False),
        lists.filter(suspects).to_list(),
        lambda value: told_first(whole(value)),
    )


def json_reasons(
    values: pl.Series, type_: Any, faults: Callable[[Any], Iterable[Fault]]
) -> pl.Series:
    """Return the reasons of JSON of a type, once decoded."""
    decoder = msgspec.json.Decoder(type_)

    def rule(text: str) -> str:
        try:
            return told_first(faults(decoder.decode(text)))
        except msgspec.MsgspecError as error:
            return str(error)

    return text_reasons(values, rule)


def no_reasons(rows: int) -> pl.Series:
    """Return that nothing is wrong in any row."""
    return pl.Series([None], dtype=pl.String()).new_from_index(0, rows)


def found(columns: Iterator[tuple[str, pl.Series]]) -> Iterator[Finding]:
    """Yield the columns in which something is wrong."""
    for name, reasons in columns:
        if reasons.null_count() < len(reasons):
            yield Finding(name, reasons)
