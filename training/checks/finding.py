"""What a check is and what it finds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

# A warning says that figures or rankings are likely wrong, and stops under --strict. A note says
# what a reader of the figures should know, and never stops.
Severity = Literal["warning", "note"]
WARNING: Severity = "warning"
NOTE: Severity = "note"

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Found:
    """What a check found: `what` says in words what `count` counts, `example` is one of them."""

    what: str
    count: int
    example: str


@dataclass(frozen=True)
class Finding:
    """What is told of one thing found, by the check `check`."""

    severity: Severity
    check: str
    what: str
    count: int
    example: str
    remedy: str


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """One check: `look` yields what it finds in a subject, `remedy` says what to do about it."""

    name: str
    severity: Severity
    look: Callable[[Subject], Iterable[Found]]
    remedy: str


def run(checks: Sequence[Check[Subject]], subject: Subject) -> list[Finding]:
    """Return what `checks` find in `subject`: warnings first, else in the order of the checks."""
    findings = [
        Finding(check.severity, check.name, found.what, found.count, found.example, check.remedy)
        for check in checks
        for found in check.look(subject)
    ]
    return sorted(findings, key=lambda finding: finding.severity != WARNING)
