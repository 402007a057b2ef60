"""The one place where an error of the domain becomes a gRPC status with details.

`details` of the status is `<field>: <reason>`; the same, machine-readable, is in
`grpc-status-details-bin`: every violation, a reason code and retry advice. What is not an error of
the domain is a fault of ours: the caller gets a reference to the log and nothing else.
"""

from collections.abc import Sequence
from typing import NamedTuple

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from models.errors import (
    BadInput,
    BadRelease,
    Conflict,
    Held,
    StoreUnavailable,
    ThroughlineError,
    TooManyIdentifiers,
)
from models.policy.toml_file import BadPolicy
from models.release.histories import NothingToRollBack
from models.release.loader import NewerRelease
from models.release.registry import BadPolicyFile
from service.contract import limits
from service.contract.errors import (
    DeadlineTooShort,
    Draining,
    LoadInProgress,
    MalformedRequest,
    MethodNotImplemented,
    NoLongerServed,
    NoRelease,
    NotFound,
    Overloaded,
    RequestIdReused,
)
from service.contract.validation import InvalidRequest, Violation

DOMAIN = "throughline"
STORE_RETRY_SECONDS = 1
RELEASE_RETRY_SECONDS = 5
DRAINING_RETRY_SECONDS = 1
OVERLOADED_RETRY_SECONDS = 1


class FailureKind(NamedTuple):
    """A kind of failure: its code, its reason, and the seconds after which to retry (0: never)."""

    code: grpc.StatusCode
    reason: str
    retry: int = 0


_INVALID, _UNMET = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION
_AWAY = grpc.StatusCode.UNAVAILABLE
_KINDS_BY_ERROR: tuple[tuple[type[ThroughlineError], FailureKind], ...] = (
    (InvalidRequest, FailureKind(_INVALID, "INVALID_REQUEST")),
    (BadInput, FailureKind(_INVALID, "INVALID_REQUEST")),
    (MalformedRequest, FailureKind(_INVALID, "MALFORMED_REQUEST")),
    (NewerRelease, FailureKind(_UNMET, "RELEASE_TOO_NEW")),
    (BadPolicy, FailureKind(_INVALID, "INVALID_REQUEST")),
    (BadPolicyFile, FailureKind(_UNMET, "BAD_POLICY")),
    (BadRelease, FailureKind(_INVALID, "BAD_RELEASE")),
    (MethodNotImplemented, FailureKind(grpc.StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED")),
    (RequestIdReused, FailureKind(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_USED")),
    (NotFound, FailureKind(grpc.StatusCode.NOT_FOUND, "NOT_FOUND")),
    (NoLongerServed, FailureKind(_UNMET, "NO_LONGER_SERVED")),
    (TooManyIdentifiers, FailureKind(_UNMET, "TOO_MANY_IDENTIFIERS")),
    (StoreUnavailable, FailureKind(_AWAY, "STORE_UNAVAILABLE", STORE_RETRY_SECONDS)),
    (
        Overloaded,
        FailureKind(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", OVERLOADED_RETRY_SECONDS),
    ),
    (Draining, FailureKind(_AWAY, "DRAINING", DRAINING_RETRY_SECONDS)),
    (NoRelease, FailureKind(_AWAY, "NO_RELEASE", RELEASE_RETRY_SECONDS)),
    (Held, FailureKind(_UNMET, "HELD_BY_GATE")),
    (NothingToRollBack, FailureKind(_UNMET, "NOTHING_TO_ROLL_BACK")),
    (LoadInProgress, FailureKind(grpc.StatusCode.ABORTED, "LOAD_IN_PROGRESS")),
    (Conflict, FailureKind(grpc.StatusCode.ABORTED, "CONFLICT")),
    (DeadlineTooShort, FailureKind(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_TOO_SHORT")),
    (ThroughlineError, FailureKind(_UNMET, "FAILED_PRECONDITION")),
)
INTERNAL_ERROR = FailureKind(grpc.StatusCode.INTERNAL, "INTERNAL")
FAILURE_KINDS = tuple(dict.fromkeys((*(kind for _, kind in _KINDS_BY_ERROR), INTERNAL_ERROR)))


def failure_kind(error: ThroughlineError) -> FailureKind:
    """Return which kind of failure `error` is, one of `FAILURE_KINDS`."""
    return next(kind for type_, kind in _KINDS_BY_ERROR if isinstance(error, type_))


def grpc_status(error: ThroughlineError) -> grpc.Status:
    """Return the status that tells a caller about `error`."""
    code, reason, retry = failure_kind(error)
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)]
    violations = _violations(error)
    if violations:
        bad = error_details_pb2.BadRequest()
        for violation in violations:
            bad.field_violations.add(field=violation.field, description=violation.reason)
            if bad.ByteSize() > limits.VIOLATION_BYTES:
                del bad.field_violations[-1]  # a status that is too large would tell nothing
                break
        details.append(bad)
    if retry:
        details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=retry)))
    return _status(code, told(error), details)


def told(error: ThroughlineError) -> str:
    """Return what a caller is told of an error: not where the store is, host or path."""
    return error.reason if isinstance(error, StoreUnavailable) else str(error)


def internal_error_status(reference: str) -> grpc.Status:
    """Return the status for a fault of ours, found in the log under `reference`."""
    info = error_details_pb2.ErrorInfo(reason=INTERNAL_ERROR.reason, domain=DOMAIN)
    return _status(INTERNAL_ERROR.code, internal_error_text(reference), [info])


def internal_error_text(reference: str) -> str:
    """Return what a caller is told about a fault of ours."""
    return f"internal error; ref={reference}"


def code_number(code: grpc.StatusCode) -> int:
    """Return the number of a status code in google.rpc.Code."""
    number: int = code.value[0]
    return number


def _violations(error: ThroughlineError) -> Sequence[Violation]:
    if isinstance(error, InvalidRequest):
        return error.violations
    if isinstance(error, BadInput):
        return [Violation(error.field, error.reason)]
    if isinstance(error, BadPolicy):
        told = error.mistakes[: limits.VIOLATIONS]
        return [Violation(one.key, f"line {one.line}: {one.wanted}") for one in told]
    if isinstance(error, MalformedRequest):
        return [Violation(*str(error).split(": ", 1))]
    return []


def _status(code: grpc.StatusCode, text: str, details: Sequence[Message]) -> grpc.Status:
    status = status_pb2.Status(code=code_number(code), message=text)
    for detail in details:
        status.details.add().Pack(detail)
    made: grpc.Status = rpc_status.to_status(status)
    return made
