"""Amounts of money from the decimals that a file writes, without a float in between.

A column of floats is taken for the shortest decimals that read as these.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

import polars as pl

_PLAIN = r"^([+-]?)(\d{1,13})(?:\.(\d*))?$"
_NANOS = 10**9
_EXACT = Context(prec=100, rounding=ROUND_HALF_EVEN)


def units_and_nanos(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return whole units, and the rest in 10^-9 with the same sign, of decimals (n,); null of null.

    Each is a finite number of at most 10^12 units, rounded to 10^-9, half to even.
    """
    parts = texts.str.extract_groups(_PLAIN).struct.unnest()
    sign, whole, rest = (parts[str(number)] for number in (1, 2, 3))
    rest = rest.fill_null("")
    nanos = rest.str.slice(0, 9).str.pad_end(9, "0").cast(pl.Int64())
    beyond = rest.str.slice(9).str.strip_chars_end("0")
    nanos += ((beyond > "5") | ((beyond == "5") & (nanos % 2 == 1))).cast(pl.Int64())
    units = whole.cast(pl.Int64()) + nanos // _NANOS
    nanos %= _NANOS
    signs = pl.select(pl.when(sign == "-").then(-1).otherwise(1).cast(pl.Int64())).to_series()
    plain = whole.is_not_null()
    units, nanos = units * signs, nanos * signs
    spelled = [_units_and_nanos(text) for text in texts.filter(~plain).to_list()]
    where = (~plain).arg_true()
    for number, column in enumerate((units, nanos)):
        column.scatter(where, pl.Series([pair[number] for pair in spelled], dtype=pl.Int64()))
    return units, nanos


def products(texts: pl.Series, factors: pl.Series) -> pl.Series:
    """Return the exact products of decimals (n,), as decimals; null where one is none."""
    pairs = pl.DataFrame({"one": texts, "other": factors})
    distinct = pairs.unique(maintain_order=True)
    made = [_product(one, other) for one, other in distinct.iter_rows()]
    found = distinct.with_columns(pl.Series("product", made, dtype=pl.String()))
    joined = pairs.join(
        found, on=["one", "other"], how="left", nulls_equal=True, maintain_order="left"
    )
    return joined["product"]


def _product(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return None
    try:
        return format(_EXACT.multiply(Decimal(one), Decimal(other)), "f")
    except InvalidOperation:
        return one  # it is told as what is no number


def _units_and_nanos(text: str | None) -> tuple[int | None, int | None]:
    """Return the same of a decimal with an exponent."""
    if text is None:
        return None, None
    nanos = int(Decimal(text).scaleb(9, _EXACT).to_integral(None, _EXACT))
    units, rest = divmod(abs(nanos), _NANOS)
    return (units, rest) if nanos >= 0 else (-units, -rest)
