"""Quantities at or below zero: what was bought comes back, or the row is not sound.

A shop writes a refund as a sale of minus two. It becomes a return of two, which takes back the
latest purchases of the item; a sale of nothing is neither, and a reject.
"""

from collections.abc import Mapping
from typing import Literal

import polars as pl

from models.domain.input.reasons import Refusal
from training.importing.files.names import COMPUTED
from training.importing.row_filter import RowFilter

_QUANTITY, _TYPE = COMPUTED + "quantity", COMPUTED + "type"
_SIZES = tuple(
    f"{COMPUTED}{name}"
    for name in ("quantity", "amount_units", "amount_nanos", "discount_units", "discount_nanos")
)


def take_back(
    rows: RowFilter, below_zero: Literal["return", "reject"], like: Mapping[str, str]
) -> None:
    """Turn purchases of a quantity below 0 into returns, or reject them; reject others, and 0.

    `like` says which built-in type a declared one is like. Returns that are written with minus
    signs lose these.
    """
    if _QUANTITY not in rows.frame.columns:
        return
    quantity, named = rows.frame[_QUANTITY], rows.frame[_TYPE]
    types = named.replace(like)
    bought = (types == "purchase").fill_null(False)
    none = bought & (quantity == 0).fill_null(False)
    rows.reject(none, "quantity", "0: neither bought nor brought back", quantity)
    quantity, types, bought = (part.filter(~none) for part in (quantity, types, bought))
    below = ((quantity < 0) & quantity.is_finite()).fill_null(False)
    back = (types == "return").fill_null(False) | (
        bought & pl.repeat(below_zero == "return", len(bought), eager=True)
    )
    rows.reject(below & ~back, "quantity", Refusal.NEGATIVE, quantity)
    kept = ~(below & ~back)
    below, bought = below.filter(kept), bought.filter(kept)
    if not below.any():
        return
    turned = int((below & bought).sum())
    if turned:
        rows.note("quantity", f"{turned:,} purchases of a quantity below 0 are returns")
    sizes = [name for name in _SIZES if name in rows.frame.columns]
    rows.frame = rows.frame.with_columns(
        pl.when(below).then(pl.lit("return")).otherwise(pl.col(_TYPE)).alias(_TYPE),
        *(
            pl.when(below).then(pl.col(name).abs()).otherwise(pl.col(name)).alias(name)
            for name in sizes
        ),
    )
