"""Amounts of an import: the decimals that a file writes, not the floats nearest to them."""

from decimal import ROUND_HALF_EVEN, Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.importing.exact_amounts import units_and_nanos

LARGEST = Decimal(10**12)
decimals = st.decimals(-LARGEST, LARGEST, allow_nan=False, allow_infinity=False, places=None)
written = decimals.flatmap(
    lambda number: st.sampled_from((str(number), format(number, "f"), f"{number:e}"))
)


def read(*texts: str | None) -> list[tuple[int | None, int | None]]:
    """Return units and nanos of each text."""
    units, nanos = units_and_nanos(pl.Series(texts, dtype=pl.String()))
    return list(zip(units.to_list(), nanos.to_list(), strict=True))


@pytest.mark.parametrize(
    ("text", "units", "nanos"),
    [
        ("999999999999.99", 999_999_999_999, 990_000_000),
        ("-0.5", 0, -500_000_000),
        ("1e-9", 0, 1),
        ("1.5E3", 1_500, 0),
        ("7.", 7, 0),
        ("0.30000000000000004", 0, 300_000_000),
        ("0.9999999999", 1, 0),
        ("0.0000000025", 0, 2),
        ("0.0000000035", 0, 4),
    ],
)
def test_an_amount_is_what_is_written(text: str, units: int, nanos: int) -> None:
    """Each decimal is the nearest whole number of billionths, of two as near the even one."""
    assert read(text, None) == [(units, nanos), (None, None)]


@given(st.lists(st.none() | written, max_size=6))
def test_amounts_are_exact(texts: list[str | None]) -> None:
    """Whatever the spelling, units and nanos are the decimal itself, rounded to a billionth."""
    for text, (units, nanos) in zip(texts, read(*texts), strict=True):
        if text is None:
            assert units is nanos is None
            continue
        assert units is not None
        assert nanos is not None
        exact = int((Decimal(text) * 10**9).to_integral(ROUND_HALF_EVEN))
        assert units * 10**9 + nanos == exact
        assert units * nanos >= 0


def test_floats_are_the_decimals_that_they_are_printed_as() -> None:
    """A column of floats keeps the cents of 999999999999.99, as the importer reads it."""
    texts = pl.Series([999999999999.99, 0.1, 1e-7, 19.99]).cast(pl.String())
    assert read(*texts) == [
        (999_999_999_999, 990_000_000),
        (0, 100_000_000),
        (0, 100),
        (19, 990_000_000),
    ]
