"""Amounts of several currencies, compared in one, in whole nanos."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.amounts import NANOS, converted, least, most, nanos_of
from models.domain.catalogue import Catalogue, Item, Money
from models.domain.exchange import BARE, Exchange, rate_in_nanos

EURO = Exchange("EUR", {"JPY": rate_in_nanos("0.006"), "KWD": rate_in_nanos("3.125")})


def test_amounts_are_converted_at_the_rates() -> None:
    """JPY 500 at 0.006 are EUR 3, and what has no rate is unknown."""
    assert EURO.nanos(Money("JPY", 500)) == 3 * NANOS
    assert EURO.nanos(Money("EUR", 5, 1)) == 5 * NANOS + 1
    assert EURO.nanos(Money("USD", 5)) is None
    assert EURO.nanos(None) is None
    assert Exchange("", {"JPY": NANOS}).nanos(Money("JPY", 5)) is None
    assert BARE.nanos(Money("JPY", 5)) == 5 * NANOS


@pytest.mark.parametrize(
    ("nanos", "rate", "expected"), [(1, "0.5", 0), (3, "0.5", 2), (5, "0.5", 2), (-1, "0.5", 0)]
)
def test_halves_are_rounded_to_even(nanos: int, rate: str, expected: int) -> None:
    """What lies between two nanos in the middle becomes the even one."""
    assert converted(nanos, rate_in_nanos(rate)) == expected


@given(st.integers(-(10**22), 10**22), st.integers(1, 10**15))
def test_a_conversion_is_the_nearest_nano(nanos: int, rate: int) -> None:
    """No whole nano is nearer to the exact product than the one that is returned."""
    found, exact = converted(nanos, rate), Fraction(nanos * rate, NANOS)
    assert found == round(exact)


@given(st.integers(0, 10**15), st.integers(0, 15))
def test_a_bound_is_the_decimal_that_is_written(digits: int, places: int) -> None:
    """A bound of 15 digits is compared as it is written: not a nano more or less passes."""
    exact = Fraction(digits, 10**places)
    bound = float(f"{digits}e-{places}")
    assert least(bound) - 1 < exact * NANOS <= least(bound)
    assert most(bound) <= exact * NANOS < most(bound) + 1


def test_large_amounts_keep_their_cents() -> None:
    """999999999999.99 is the same amount after every way that it is written."""
    large = Money("EUR", 999_999_999_999, 990_000_000)
    assert nanos_of(large) == least(999999999999.99) == most(999999999999.99)
    assert divmod(nanos_of(large), NANOS) == (large.units, large.nanos)


def test_prices_of_two_currencies_are_compared_where_there_are_rates() -> None:
    """A price is dearer than another one in the currency of both, else at the rates."""
    assert EURO.dearer(Money("USD", 3), Money("USD", 2)) is True
    assert EURO.dearer(Money("JPY", 500), Money("EUR", 3)) is False
    assert EURO.dearer(Money("JPY", 501), Money("EUR", 3)) is True
    assert EURO.dearer(Money("USD", 1), Money("EUR", 3)) is None


def test_the_currency_of_a_catalogue_is_that_of_what_is_offered() -> None:
    """One currency of all amounts is the catalogue's; what is withdrawn does not count."""
    one = Item(id="a", price=Money("EUR", 1), value=Money("EUR", 1))
    yen = Item(id="b", price=Money("JPY", 1))
    catalogue = Catalogue().apply(1, [one])
    assert (Catalogue().currency, catalogue.currency) == ("", "EUR")
    mixed = catalogue.apply(2, [yen])
    assert (mixed.currency, sorted(mixed.currencies)) == ("", ["EUR", "JPY"])
    assert mixed.apply(3, [Item(id="b", price=Money("JPY", 1), withdrawn=True)]).currency == "EUR"
