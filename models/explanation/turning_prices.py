"""At which prices of an offer a condition on price or margin turns over, to the cent."""

import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from models.domain.amounts import NANOS, nanos_of
from models.domain.catalogue import Row
from models.domain.exchange import Exchange
from models.domain.selectors import OfferHas
from models.explanation.counterfactuals import CENT


def turning_prices(offer: Row, condition: OfferHas, exchange: Exchange) -> Iterator[int]:
    """Yield prices in cents of the offer's own currency, nearest first; none where it has no price.

    Bounds are in the currency of `exchange`. A price beside each is yielded, too: the one that the
    bound lies on may be rounded over it.
    """
    price = offer.price
    if price is None:
        return
    for bound in _bounds(offer, condition, exchange):
        above = nanos_of(price) > bound
        cents = math.floor(bound / CENT) if above else math.ceil(bound / CENT)
        for found in (cents, cents + (-1 if above else 1)):
            if found > 0:
                yield found


def _bounds(offer: Row, condition: OfferHas, exchange: Exchange) -> Iterator[Fraction]:
    """Yield the prices on bounds, in nanos of the price's currency."""
    price, value = offer.price, offer.value
    assert price is not None, "only a price turns over"
    rate = _rate(price.currency, exchange)
    for bound in (condition.price_at_most, condition.price_at_least):
        if bound is not None and rate is not None:
            yield _exactly(bound) * NANOS * NANOS / rate
    share = condition.margin_at_least
    if not share or value is None:
        return
    if value.currency == price.currency:
        yield nanos_of(value) / _exactly(share)
        return
    worth = _rate(value.currency, exchange)
    if rate is not None and worth is not None:
        yield Fraction(nanos_of(value) * worth, rate) / _exactly(share)


def _rate(currency: str, exchange: Exchange) -> int | None:
    """Return what a unit of a currency is worth, in nanos; None where it is not known."""
    if exchange.bare or (exchange.currency and currency == exchange.currency):
        return NANOS
    return exchange.rates.get(currency) if exchange.currency else None


def _exactly(bound: float) -> Fraction:
    return Fraction(Decimal(repr(float(bound))))
