"""The rules for money that comes in, of whole columns."""

from collections.abc import Iterator, Sequence
from functools import partial

import polars as pl

from models.domain.input import limits
from models.domain.input.money import currency_fault
from models.domain.input.numbers import number_fault
from training.log.rule_columns import number_reasons, text_reasons


def money_columns(frame: pl.DataFrame, names: Sequence[str]) -> Iterator[tuple[str, pl.Series]]:
    """Yield the reasons of `currency`, and of units and nanos of each of the amounts `names`."""
    parts = [f"{name}_{part}" for name in names for part in ("units", "nanos")]
    paid = frame.select(pl.any_horizontal(pl.col(parts).is_not_null())).to_series()
    currency = frame["currency"].fill_null("").set(~paid & frame["currency"].is_null(), None)
    yield "currency", text_reasons(currency, currency_fault)
    for name in parts:
        limit = limits.MONEY_UNITS if name.endswith("units") else limits.MONEY_NANOS
        yield name, number_reasons(frame[name], partial(number_fault, limit=limit), 0, limit)
