"""Money that comes in: units and nanos of a currency of ISO 4217, and never less than nothing."""

from collections.abc import Iterator

from models.domain.currencies import CURRENCIES
from models.domain.input import limits
from models.domain.input.names import choices
from models.domain.input.numbers import number_fault
from models.domain.input.reasons import Refusal

WANTED = "; want a code of ISO 4217, such as EUR"


def currency_fault(currency: str) -> str:
    """Return what is wrong with a currency."""
    if currency in CURRENCIES:
        return ""
    if not currency:
        return Refusal.REQUIRED
    meant = choices(currency[: limits.NAME_BYTES].upper(), CURRENCIES, folded=False)
    return f"{Refusal.UNKNOWN}{meant or WANTED}"


def money_faults(currency: str, units: int, nanos: int) -> Iterator[tuple[str, str]]:
    """Yield the part (currency, units, nanos) and the fault of each that is wrong."""
    parts = {
        "currency": currency_fault(currency),
        "units": number_fault(units, limits.MONEY_UNITS),
        "nanos": number_fault(nanos, limits.MONEY_NANOS),
    }
    yield from ((part, fault) for part, fault in parts.items() if fault)
