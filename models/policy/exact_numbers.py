"""Numbers of a policy's TOML that money is counted by, as they are written, not as floats."""

import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from models.domain.amounts import plain_decimal

DIGITS = 15  # that a float always keeps
_BOUNDS = ("price_at_least", "price_at_most", "value_at_least", "margin_at_least")

Path = tuple[str | int, ...]


def with_exact_rates(said: dict[str, Any], text: str) -> tuple[dict[str, Any], list[Path]]:
    """Return what a TOML text says with its rates as texts, and the bounds that no float keeps.

    `said` is the text as it was parsed, without an error. A rate that is a number becomes the
    decimal that is written.
    """
    exact = tomllib.loads(text, parse_float=_decimal)
    money = exact.get("money")
    rates = money.get("rates") if isinstance(money, dict) else None
    if isinstance(rates, dict):
        texts = {name: _as_text(rate) for name, rate in rates.items()}
        said = {**said, "money": {**said["money"], "rates": texts}}
    return said, list(_lost(exact, ()))


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent that no decimal has
        return Decimal(float(text))


def _as_text(rate: Any) -> Any:
    if isinstance(rate, Decimal):
        return plain_decimal(rate)
    return str(rate) if isinstance(rate, int) and not isinstance(rate, bool) else rate


def _lost(part: Any, at: Path) -> Iterator[Path]:
    """Yield where bounds on offers stand that another number would be kept for."""
    if isinstance(part, Mapping):
        for name, value in part.items():
            if part.get("kind") == "offer" and name in _BOUNDS and _is_lost(value):
                yield (*at, name)
            yield from _lost(value, (*at, name))
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from _lost(value, (*at, number))


def _is_lost(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        return False
    number = Decimal(value)
    return number.is_finite() and Decimal(repr(float(number))) != number
