"""Checks of what callers send: every violation of a request is collected and told at once.

A violation names the field and the reason and never repeats a value: what was sent may be personal.
Map keys are values, too, so a path ends at the map.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

from google.protobuf.timestamp_pb2 import Timestamp
from throughline.v1 import common_pb2

from models.domain.catalogue import Money
from models.domain.identifiers import Identifier
from models.domain.input.identifiers import namespace_fault, value_fault
from models.domain.input.money import money_faults
from models.domain.input.names import name_fault
from models.domain.input.numbers import number_fault
from models.domain.input.reasons import Fault, Refusal
from models.domain.input.sizes import size_fault
from models.domain.input.texts import id_fault, text_fault
from models.domain.input.times import nanos_fault, time_fault
from models.errors import ThroughlineError
from service.contract import limits
from service.contract.names import Names


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
        fault = size_fault(len(values), limit, minimum)
        self.fault(field, fault)
        return not fault

    def fault(self, field: str, reason: str) -> None:
        """Add what a rule found wrong, unless it is nothing."""
        if reason:
            self.add_violation(field, reason)

    def faults(self, field: str, faults: Iterable[Fault]) -> None:
        """Add what a rule found wrong with a field of several parts."""
        for at, reason in faults:
            self.add_violation(field + at, reason)

    def text(self, field: str, value: str, limit: int, required: bool = False) -> str:
        """Check a text of at most `limit` bytes without control characters."""
        self.fault(field, text_fault(value, limit, required))
        return value

    def document(self, field: str, value: str, limit: int) -> None:
        """Check a text of 1 to `limit` bytes that somebody else reads."""
        if not value:
            self.add_violation(field, Refusal.REQUIRED)
        elif len(value) > limit or len(value.encode()) > limit:
            self.add_violation(field, f"{Refusal.TOO_LONG}; max {limit}")

    def id(self, field: str, value: str, required: bool = True) -> str:
        """Check an id: 1 to 256 bytes without control characters."""
        self.fault(field, id_fault(value, required))
        return value

    def name(
        self, field: str, value: str, declared: Collection[str] = (), required: bool = True
    ) -> str:
        """Check a name; where there are declared ones it must be one of them."""
        self.fault(field, name_fault(value, declared, required))
        return value

    def number(self, field: str, value: float, limit: float) -> float:
        """Check a number from 0 to `limit`."""
        self.fault(field, number_fault(value, limit))
        return value

    def count(self, field: str, value: int, limit: int, default: int) -> int:
        """Check a number from 0 to `limit`, and return it; `default` where it is 0."""
        self.number(field, value, limit)
        return value or default

    def time(self, field: str, value: Timestamp, rule: Callable[[int], str] = time_fault) -> int:
        """Check a timestamp by a rule for microseconds, and return it in these."""
        at = value.seconds * 1_000_000 + value.nanos // 1_000
        self.fault(field, nanos_fault(value.nanos) or rule(value.seconds * 1_000_000))
        return at

    def money(self, field: str, value: common_pb2.Money) -> Money:
        """Check an amount of money."""
        for part, fault in money_faults(value.currency, value.units, value.nanos):
            self.add_violation(f"{field}.{part}", fault)
        return Money(value.currency, value.units, value.nanos)

    def identifier(
        self, field: str, value: common_pb2.Identifier, names: Names, stored: bool = False
    ) -> Identifier:
        """Check an identifier; a clear address is refused where its hash is wanted.

        What may be `stored` since before is only looked at or taken back: it may mean nobody.
        """
        self.fault(f"{field}.namespace", namespace_fault(value.namespace, names.namespaces))
        nobody = None if stored else names.nobody
        self.fault(f"{field}.value", value_fault(value.namespace, value.value, nobody))
        return Identifier(value.namespace, value.value)

    def identifiers(
        self, values: Sequence[common_pb2.Identifier], names: Names, stored: bool = False
    ) -> list[Identifier]:
        """Check the identifiers of one customer, each as `identifier` does."""
        if not self.size("identifiers", values, limits.IDENTIFIERS, minimum=1):
            return []
        return [
            self.identifier(f"identifiers[{at}]", value, names, stored)
            for at, value in enumerate(values)
        ]
