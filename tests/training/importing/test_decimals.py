"""Numbers as people write them."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.importing.decimals import plain_decimals
from training.importing.files.file_format import FileFormat


def read(*texts: str | None, **said: str) -> list[str | None]:
    """Return plain decimals; "?" stands for what may be two numbers."""
    found = plain_decimals(pl.Series(texts, dtype=pl.String()), FileFormat(**said))  # type: ignore[arg-type]
    return ["?" if no else text for text, no in zip(found.texts, found.unclear, strict=True)]


@pytest.mark.parametrize(
    ("texts", "meant"),
    [
        (["3,50", "1.299,00", "1.299"], ["3.50", "1299.00", "1299"]),
        (["3.50", "1,299.00", "1,299"], ["3.50", "1299.00", "1299"]),
        (["1 299,5", "1\u202f299", "0,125"], ["1299.5", "1299", "0.125"]),
        (["1'299.50", "(3.50)", "3.50-", "\u22123"], ["1299.50", "-3.50", "-3.50", "-3"]),
        (["1,299"], ["?"]),
        (["3,50", "3.50", "1.299"], ["3.50", "3.50", "?"]),
        (["1.299", "0.125", "1e-7", None], ["1.299", "0.125", "1e-7", None]),
        (["12,34,567.00", "x", "--3"], ["12,34,567.00", "x", "--3"]),
    ],
)
def test_a_column_shows_its_decimal_sign(texts: list[str], meant: list[str]) -> None:
    """What shows the sign decides for all; what may be two numbers is neither."""
    assert read(*texts) == meant


def test_a_declared_sign_holds() -> None:
    """With the sign declared, 1,299 is one number; what does not fit stays as it is."""
    assert read("1,299", decimal=",") == ["1.299"]
    assert read("1,299", decimal=".") == ["1299"]
    assert read("3,50", decimal=".") == ["3,50"]
    assert read("1.299", decimal=",", thousands="") == ["1.299"]
    assert read("1_299", thousands="_") == ["1299"]


@given(
    st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=5),
    st.sampled_from([(".", ","), (",", "."), (".", "'"), (",", " ")]),
)
def test_cents_are_kept_in_every_style(amounts: list[Decimal], style: tuple[str, str]) -> None:
    """Amounts with cents are themselves, whatever the two signs are."""
    point, comma = style
    texts = [f"{amount:,.2f}".translate({ord("."): point, ord(","): comma}) for amount in amounts]
    assert [Decimal(text or "x") for text in read(*texts)] == amounts
