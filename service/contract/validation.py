"""Checks of what callers send: every violation of a request is collected and told at once.

A violation names the field and the reason and never repeats a value: what was sent may be personal.
Map keys are values, too, so a path ends at the map.
"""

import hashlib
import math
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from google.protobuf.timestamp_pb2 import Timestamp
from throughline.v1 import common_pb2

from models.clock_time import EARLIEST, LATEST
from models.domain.catalogue import Money
from models.domain.currencies import CURRENCIES
from models.domain.identifiers import HASHED_NAMESPACES, Identifier
from models.domain.names import is_name
from models.errors import ThroughlineError
from service.contract import limits
from service.contract.refusals import Refusal

# C0 and C1 controls, line separators, the marks that reorder text, and lone surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_PHONE = re.compile(r"\+?[0-9()./ -]{5,25}")

# What a program sends when it had nothing to send: everybody would become one customer.
_PLACEHOLDERS = ("", "0", "null", "undefined", "anonymous")
_PLACEHOLDER_HASHES = frozenset(
    hashlib.sha256(text.encode()).hexdigest() for text in (*_PLACEHOLDERS, "NULL", "None", "none")
)


class Violation(NamedTuple):
    """One thing that is wrong with a request."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class InvalidRequest(ThroughlineError):
    """A request that is wrong whatever the state, with everything that is wrong about it."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__(str(violations[0]))
        self.violations = tuple(violations)


class Sized(Protocol):
    """Anything with a length."""

    def __len__(self) -> int: ...


class Check:
    """Collects violations. Each check returns what it could read, so that reading goes on."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def add_violation(self, field: str, reason: str) -> None:
        """Add a violation, unless there are as many as a status can carry."""
        if len(self.violations) < limits.VIOLATIONS:
            self.violations.append(Violation(field, reason))

    def raise_if_invalid(self) -> None:
        """Raise `InvalidRequest` if anything was wrong."""
        if self.violations:
            raise InvalidRequest(self.violations)

    def size(self, field: str, values: Sized, limit: int, minimum: int = 0) -> bool:
        """Check that there are `minimum` to `limit`; False where not: then do not check each."""
        if len(values) < minimum:
            self.add_violation(field, Refusal.REQUIRED)
        elif len(values) > limit:
            self.add_violation(field, f"{Refusal.TOO_MANY}; max {limit}")
        return minimum <= len(values) <= limit

    def text(self, field: str, value: str, limit: int, required: bool = False) -> str:
        """Check a text of at most `limit` bytes without control characters."""
        if not value:
            if required:
                self.add_violation(field, Refusal.REQUIRED)
        elif len(value) > limit or len(value.encode(errors="replace")) > limit:
            self.add_violation(field, f"{Refusal.TOO_LONG}; max {limit}")
        elif _CONTROL.search(value):
            self.add_violation(field, Refusal.CONTROL_CHARACTER)
        return value

    def document(self, field: str, value: str, limit: int) -> None:
        """Check a text of 1 to `limit` bytes that somebody else reads."""
        if not value:
            self.add_violation(field, Refusal.REQUIRED)
        elif len(value) > limit or len(value.encode()) > limit:
            self.add_violation(field, f"{Refusal.TOO_LONG}; max {limit}")

    def id(self, field: str, value: str, required: bool = True) -> str:
        """Check an id: 1 to 256 bytes without control characters."""
        return self.text(field, value, limits.ID_BYTES, required)

    def name(
        self, field: str, value: str, declared: Collection[str] = (), required: bool = True
    ) -> str:
        """Check a name; where there are declared ones it must be one of them."""
        if not value:
            if required:
                self.add_violation(field, Refusal.REQUIRED)
        elif len(value) > limits.NAME_BYTES:
            self.add_violation(field, f"{Refusal.TOO_LONG}; max {limits.NAME_BYTES}")
        elif not is_name(value):
            self.add_violation(field, Refusal.NOT_A_NAME)
        elif declared and value not in declared:
            self.add_violation(field, Refusal.UNKNOWN)
        return value

    def number(self, field: str, value: float, limit: float) -> float:
        """Check a number from 0 to `limit`."""
        if not math.isfinite(value):
            self.add_violation(field, Refusal.NOT_FINITE)
        elif value < 0:
            self.add_violation(field, Refusal.NEGATIVE)
        elif value > limit:
            self.add_violation(field, f"{Refusal.TOO_LARGE}; max {limit:.0f}")
        return value

    def count(self, field: str, value: int, limit: int, default: int) -> int:
        """Check a number from 0 to `limit`, and return it; `default` where it is 0."""
        self.number(field, value, limit)
        return value or default

    def time(self, field: str, value: Timestamp) -> int:
        """Check a timestamp and return it in microseconds."""
        if not (
            EARLIEST <= value.seconds * 1_000_000 <= LATEST
            and 0 <= value.nanos <= limits.MONEY_NANOS
        ):
            self.add_violation(field, Refusal.INVALID_TIMESTAMP)
        return value.seconds * 1_000_000 + value.nanos // 1_000

    def money(self, field: str, value: common_pb2.Money) -> Money:
        """Check an amount of money."""
        if not value.currency:
            self.add_violation(f"{field}.currency", Refusal.REQUIRED)
        elif value.currency not in CURRENCIES:
            self.add_violation(f"{field}.currency", Refusal.UNKNOWN)
        self.number(f"{field}.units", value.units, limits.MONEY_UNITS)
        self.number(f"{field}.nanos", value.nanos, limits.MONEY_NANOS)
        return Money(value.currency, value.units, value.nanos)

    def identifier(
        self, field: str, value: common_pb2.Identifier, namespaces: Collection[str]
    ) -> Identifier:
        """Check an identifier; a clear address is refused where its hash is wanted."""
        self.name(f"{field}.namespace", value.namespace, namespaces)
        at = f"{field}.value"
        self.id(at, value.value)
        if value.namespace in HASHED_NAMESPACES:
            reason = _not_a_hash(value.value)
            if reason:
                self.add_violation(at, reason)
        elif value.value and value.value.strip().lower() in _PLACEHOLDERS:
            self.add_violation(at, Refusal.NOT_AN_IDENTIFIER)
        return Identifier(value.namespace, value.value)

    def identifiers(
        self, values: Sequence[common_pb2.Identifier], namespaces: Collection[str]
    ) -> list[Identifier]:
        """Check the identifiers of one customer."""
        if not self.size("identifiers", values, limits.IDENTIFIERS, minimum=1):
            return []
        return [
            self.identifier(f"identifiers[{at}]", value, namespaces)
            for at, value in enumerate(values)
        ]


def _not_a_hash(value: str) -> str:
    if not value or _CONTROL.search(value):
        return ""  # refused for that already
    if _SHA256.fullmatch(value):
        return Refusal.NOT_AN_IDENTIFIER if value in _PLACEHOLDER_HASHES else ""
    if _EMAIL.fullmatch(value.strip()):
        return Refusal.CLEAR_E_MAIL
    if _PHONE.fullmatch(value.strip()):
        return Refusal.CLEAR_PHONE_NUMBER
    return Refusal.NOT_HASHED
