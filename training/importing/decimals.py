"""Numbers as people write them, 1.299,00 or 1,299.00 or 1 299-, as plain decimals."""

import re
from typing import NamedTuple

import polars as pl

from training.importing.files.file_format import FileFormat

_PLAIN = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_BLANKS = " \u00a0\u202f\u2009"
# A sign of 1,299: a thousand to some, a little more than one to others.
_EITHER = r"^-?[1-9]\d{0,2}[.,]\d{3}$"
UNCLEAR = 'a thousand, or a decimal sign? say read = { decimal = "," } or "."'


class Decimals(NamedTuple):
    """Plain decimals (n,), or the text as it was where it is none; `unclear` may be two numbers."""

    texts: pl.Series
    unclear: pl.Series
    note: str = ""


def plain_decimals(values: pl.Series, written: FileFormat) -> Decimals:
    """Return a column of texts as decimals with a point and without signs between thousands.

    Without a declared sign, the column shows it: 3,50 has a comma, 1,299.00 a point. What shows
    none, as 1,299, is unclear unless others of the column do; 1.299 alone is taken as written.
    """
    clear = pl.repeat(False, len(values), eager=True)
    if written.decimal != "," and values.str.contains(_PLAIN).fill_null(True).all():
        return Decimals(values, clear)
    bare = values.str.replace("\u2212", "-").str.replace(r"^(.*\d)\s*-$", "-$1")
    bare = bare.str.replace(r"^\((.*\d)\)$", "-$1")
    by = {sign: _read(bare, sign, written.thousands) for sign in ".,"}
    either = bare.str.contains(_EITHER).fill_null(False)
    shows = {
        sign: bool((by[sign].is_not_null() & by[other].is_null() & ~either).any())
        for sign, other in (".,", ",.")
    }
    sign, note = written.decimal, ""
    if sign is None and shows["."] != shows[","]:
        sign = "." if shows["."] else ","
        note = "the comma is the decimal sign" if sign == "," else ""
    if sign is not None:
        return Decimals(by[sign].fill_null(values), clear, note)
    certain = by["."].fill_null(by[","])
    # Where no value shows a sign, a point is taken as programs write it.
    unclear = either if shows["."] else either & bare.str.contains(",")
    return Decimals(certain.fill_null(values), unclear)


def _read(texts: pl.Series, sign: str, thousands: str | None) -> pl.Series:
    """Return texts as plain decimals by a decimal sign, null where they are none."""
    usual = ("." if sign == "," else ",") + "'\u2019" + _BLANKS
    between = re.escape(usual if thousands is None else thousands)
    whole = rf"\d+|\d{{1,3}}(?:[{between}]\d{{3}})+" if between else r"\d+"
    pattern = rf"^([+-]?)({whole})?(?:\{sign}(\d*))?((?:[eE][+-]?\d+)?)$"
    parts = texts.str.extract_groups(pattern).struct.unnest()
    minus, number, rest, power = (pl.col(str(place)) for place in range(1, 5))
    has_rest = rest.str.len_bytes() > 0
    digits = number.str.replace_all(r"\D", "").fill_null("0")
    fraction = pl.when(has_rest).then(pl.lit(".") + rest).otherwise(pl.lit(""))
    made = pl.concat_str(minus.str.replace(r"\+", ""), digits, fraction, power)
    return parts.select(pl.when(number.is_not_null() | has_rest).then(made)).to_series()
