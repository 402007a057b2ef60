"""An amount of money as people write it: `1.20 EUR`, `EUR 1.20`, `1,20 €`."""

import re
from decimal import Decimal

from throughline.v1.common_pb2 import Money

from models.domain.currencies import CURRENCIES
from models.errors import BadInput

WANT = 'want an amount and its currency, such as "1.20 EUR"'
BOUND = 10**15  # no contract holds more; the service has the exact limit

_SIGNS = {"€": "EUR", "£": "GBP", "₹": "INR", "₺": "TRY", "₴": "UAH", "₪": "ILS"}
_SHARED_SIGNS = "$¥₩₱"  # that several currencies have
_CURRENCY = rf"[A-Za-z]{{3}}|[{''.join(_SIGNS)}{_SHARED_SIGNS}]"
_AMOUNT = re.compile(
    rf"(?P<before>{_CURRENCY})?\s*(?P<number>[+-]?[0-9.,]+)\s*(?P<after>{_CURRENCY})?"
)
_POINT = re.compile(r"[+-]?[0-9]*\.?[0-9]*")
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_UNCLEAR = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")  # 1,234: one thousand, or one and a bit
_GROUPED = (
    re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]+)?"),
    re.compile(r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+(,[0-9]+)?"),
)


def read_money(text: str, option: str = "--amount") -> Money:
    """Read an amount and its currency: a code of ISO 4217, or a sign that one currency alone has.

    A point is a decimal point. A comma is one too where no thousands can be meant: `1,20 EUR`.
    """
    found = _AMOUNT.fullmatch(text.strip())
    codes = [found["before"], found["after"]] if found else []
    named = [code for code in codes if code]
    if found is None or len(named) != 1:
        raise BadInput(option, WANT)
    return amount_of(found["number"], named[0], option)


def amount_of(number: str, currency: str, option: str) -> Money:
    """Return the amount of a number and a currency that were written apart."""
    amount = _decimal(number.strip(), option)
    nanos = amount.scaleb(9) if abs(amount) < BOUND else Decimal("NaN")
    if nanos.is_nan() or nanos != nanos.to_integral_value():
        raise BadInput(option, "want below 10^15, with at most 9 digits after the point")
    units, rest = divmod(abs(int(nanos)), 10**9)
    sign = -1 if amount < 0 else 1
    return Money(currency=_currency(currency, option), units=sign * units, nanos=sign * rest)


def _decimal(text: str, option: str) -> Decimal:
    if _UNCLEAR.fullmatch(text):
        plain = text.replace(",", "")
        raise BadInput(option, f"{text} may be {plain} or {text.replace(',', '.')}: write which")
    if _COMMA.fullmatch(text):
        text = text.replace(",", ".")
    elif not _POINT.fullmatch(text):
        american, european = (one.fullmatch(text) for one in _GROUPED)
        if american:
            text = text.replace(",", "")
        elif european:
            text = text.replace(".", "").replace(",", ".")
    if not _POINT.fullmatch(text) or not any(map(str.isdigit, text)):
        raise BadInput(option, WANT)
    return Decimal(text)


def _currency(text: str, option: str) -> str:
    code = _SIGNS.get(text, text.upper())
    if text in _SHARED_SIGNS:
        raise BadInput(option, f'{text} is of several currencies: write its code, such as "USD"')
    if code not in CURRENCIES:
        raise BadInput(option, f'{text!a} is no currency of ISO 4217, such as "EUR"')
    return code
