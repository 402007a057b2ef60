"""Amounts of money as whole nanos (10^-9 of a unit), and the bounds that they are compared with.

A float holds an amount only as far as 15 digits go: 999999999999.99 survives, 999999999999.999999
does not. What is compared is whole numbers.
"""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from models.domain.catalogue import Money, Row

NANOS = 10**9
SHARE = 10**18  # a margin is compared in parts of so many
# Decimal is told its digits: by itself it rounds to those of the thread's context.
_EXACT = Context(prec=1_000)
_PLAIN_DIGITS = 30


def nanos_of(money: Money) -> int:
    """Return an amount in nanos of its own currency."""
    return money.units * NANOS + money.nanos


def converted(nanos: int, rate: int) -> int:
    """Return nanos times a rate in 10^-9, rounded to a whole nano, half to even."""
    whole, rest = divmod(nanos * rate, NANOS)
    return whole + (2 * rest > NANOS or (2 * rest == NANOS and whole % 2))


def least(bound: float, parts: int = NANOS) -> int:
    """Return the least whole number of `parts` of a unit that is at least `bound` units.

    A bound is the decimal that is written: the shortest that reads as this float.
    """
    return int(_scaled(bound, parts).to_integral_value(ROUND_CEILING, _EXACT))


def most(bound: float, parts: int = NANOS) -> int:
    """Return the largest whole number of `parts` of a unit that is at most `bound` units."""
    return int(_scaled(bound, parts).to_integral_value(ROUND_FLOOR, _EXACT))


def plain_decimal(number: Decimal) -> str:
    """Return a decimal without an exponent, as it stands where that would be too long."""
    small = number.is_finite() and abs(number.adjusted()) < _PLAIN_DIGITS
    return format(number, "f") if small else str(number)


def bare_amount(money: Money | None) -> float:
    """Return the number of units, whatever their currency, as near as a float is; NaN for none.

    Decisions whose record names no currency compared these.
    """
    return math.nan if money is None else nanos_of(money) / NANOS


def bare_margin(offer: Row) -> float:
    """Return the value as a share of the price, as near as a float is; NaN where it is not known.

    Decisions whose record names no currency compared these.
    """
    price, value = offer.price, offer.value
    if price is None or value is None or price.currency != value.currency:
        return math.nan
    return nanos_of(value) / nanos_of(price) if nanos_of(price) > 0 else math.nan


def _scaled(bound: float, parts: int) -> Decimal:
    return _EXACT.multiply(Decimal(repr(float(bound))), Decimal(parts))
