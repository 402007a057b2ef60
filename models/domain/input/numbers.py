"""Numbers that come in: finite, from 0 to a limit."""

import math

from models.domain.input import limits
from models.domain.input.reasons import Refusal


def number_fault(value: float, limit: float) -> str:
    """Return what is wrong with a number from 0 to `limit`."""
    if 0 <= value <= limit:
        return ""
    if not math.isfinite(value):
        return Refusal.NOT_FINITE
    return Refusal.NEGATIVE if value < 0 else f"{Refusal.TOO_LARGE}; max {limit:.0f}"


def quantity_fault(value: float) -> str:
    """Return what is wrong with how many or how much an event is about."""
    return number_fault(value, limits.QUANTITY)
