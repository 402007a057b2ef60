"""Why a value is refused, in the words that its sender is told: one declaration for each reason.

A limit, or what would be right, may follow a reason: `too long; max 64`. Refused events are counted
by these reasons.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from models.domain.input import limits


class Refusal(StrEnum):
    """A reason to refuse a value, whichever field has it."""

    CONTROL_CHARACTER = "control character"
    CLEAR_E_MAIL = "looks like a clear e-mail"
    CLEAR_PHONE_NUMBER = "looks like a clear phone number"
    IN_THE_FUTURE = "in the future"
    INVALID_TIMESTAMP = "invalid timestamp"
    NEGATIVE = "negative"
    NOT_A_NAME = "not a name"
    NOT_AN_IDENTIFIER = "not an identifier"
    NOT_FINITE = "not finite"
    NOT_HASHED = "want a SHA-256 in 64 lower-case hex digits"
    ONLY_WITH_AN_AMOUNT = "only with an amount, in its currency"
    ONLY_WITH_ATTRIBUTES_CHANGED = "only with attributes_changed"
    ONLY_WITH_RETURN = "only with return or void"
    REQUIRED = "required"
    TOO_LARGE = "too large"
    TOO_LONG = "too long"
    TOO_MANY = "too many"
    TOO_OLD = f"older than {limits.BEHIND_DAYS} days"
    UNKNOWN = "unknown"


class Fault(NamedTuple):
    """One thing that is wrong with a value of several parts: `at` follows the value's own name."""

    at: str
    reason: str


def told_first(faults: Iterable[Fault]) -> str:
    """Return the first of some faults, with where in the value it is; "" where there is none."""
    return next((f"{at.lstrip('.')}: {reason}" if at else reason for at, reason in faults), "")
