"""In which currency a decision compares amounts, and what other currencies are worth in it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from models.domain.amounts import NANOS, SHARE, converted, nanos_of, plain_decimal
from models.domain.catalogue import Money, Row


class Exchange(NamedTuple):
    """Amounts are compared in `currency` ("": there is none, and every amount is unknown).

    `rates` are what a unit of each other currency is worth in it, in nanos. `bare`: a decision of
    before there were currencies, that took every amount for a bare number.
    """

    currency: str
    rates: Mapping[str, int] = {}
    bare: bool = False

    def nanos(self, money: Money | None) -> int | None:
        """Return an amount in nanos of the currency; None where it is not known."""
        if money is None:
            return None
        if self.bare or (self.currency and money.currency == self.currency):
            return nanos_of(money)
        if not self.currency:
            return None
        rate = self.rates.get(money.currency)
        return None if rate is None else converted(nanos_of(money), rate)

    def dearer(self, price: Money, told: Money) -> bool | None:
        """Tell whether a price is above another one; None where nobody can say."""
        if price.currency == told.currency:
            return nanos_of(price) > nanos_of(told)
        now, before = self.nanos(price), self.nanos(told)
        return None if now is None or before is None else now > before

    def margin(self, offer: Row) -> int | None:
        """Return the value as a share of the price, in 10^-18, rounded down; None: not known.

        Of one currency, whichever it is, the share is known without a rate.
        """
        price, value = offer.price, offer.value
        if price is None or value is None:
            return None
        if price.currency == value.currency:
            whole, part = nanos_of(price), nanos_of(value)
        else:
            worth = self.nanos(price), self.nanos(value)
            if worth[0] is None or worth[1] is None:
                return None
            whole, part = worth[0], worth[1]
        return part * SHARE // whole if whole > 0 else None


BARE = Exchange("", {}, bare=True)


def rate_in_nanos(rate: str | float) -> int:
    """Return a rate, a decimal of at most 9 digits after the point, in nanos."""
    text = rate if isinstance(rate, str) else plain_decimal(Decimal(repr(rate)))
    units, _, rest = text.partition(".")
    return int(units) * NANOS + int(rest.ljust(9, "0"))
