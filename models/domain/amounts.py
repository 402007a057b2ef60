"""Amounts and margins of offers, as rules of a policy compare them: NaN is what is not known."""

import math

from models.domain.catalogue import Money, Row

_NANOS = 10**9


def amount(money: Money | None) -> float:
    """Return money in units of its currency, as exactly as a float can; NaN for none."""
    return math.nan if money is None else _nanos(money) / _NANOS


def margin(offer: Row) -> float:
    """Return the value as a share of the price; NaN where they do not say."""
    price, value = offer.price, offer.value
    if price is None or value is None or price.currency != value.currency:
        return math.nan
    return _nanos(value) / _nanos(price) if _nanos(price) > 0 else math.nan


def _nanos(money: Money) -> int:
    return money.units * _NANOS + money.nanos
