"""The one place where an error of the domain becomes a gRPC status with details.

`details` of the status is `<field>: <reason>`; the same, machine-readable, is in
`grpc-status-details-bin`: every violation, a reason code and retry advice. What is not an error of
the domain is a fault of ours: the caller gets a reference to the log and nothing else.
"""

from collections.abc import Sequence

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from models.errors import BadInput, BadRelease, Conflict, StoreUnavailable, ThroughlineError
from models.registry import NothingToRollBack
from models.release import NewerRelease
from service.validation import InvalidRequest, Violation

DOMAIN = "throughline"
STORE_RETRY_SECONDS = 1
RELEASE_RETRY_SECONDS = 5
DRAINING_RETRY_SECONDS = 1


class NotFound(ThroughlineError):
    """What was asked for by its id does not exist."""


class NoRelease(ThroughlineError):
    """No release is in force that could decide."""


class Draining(ThroughlineError):
    """The server is about to end and takes no more calls."""

    def __init__(self) -> None:
        super().__init__("draining")


class LoadInProgress(ThroughlineError):
    """A release is being loaded; what is in force may be another one afterwards."""


class TooLate(ThroughlineError):
    """The caller's deadline leaves no time to answer: nothing was started."""


class Unserved(ThroughlineError):
    """A method of a public service that this server does not have."""


class Malformed(ThroughlineError):
    """Bytes that are not the message."""

    def __init__(self, message: str) -> None:
        super().__init__(f"request: not a valid {message}")


def status_of(error: ThroughlineError) -> grpc.Status:
    """Return the status that tells a caller about `error`."""
    code, reason, retry = _kind(error)
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)]
    violations = _violations(error)
    if violations:
        bad = error_details_pb2.BadRequest()
        for violation in violations:
            bad.field_violations.add(field=violation.field, description=violation.reason)
        details.append(bad)
    if retry:
        details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=retry)))
    return _status(code, str(error), details)


def internal_status(reference: str) -> grpc.Status:
    """Return the status for a fault of ours, found in the log under `reference`."""
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN)
    return _status(grpc.StatusCode.INTERNAL, internal_text(reference), [info])


def internal_text(reference: str) -> str:
    """Return what a caller is told about a fault of ours."""
    return f"internal error; ref={reference}"


def code_number(code: grpc.StatusCode) -> int:
    """Return the number of a status code in google.rpc.Code."""
    number: int = code.value[0]
    return number


def _kind(error: ThroughlineError) -> tuple[grpc.StatusCode, str, int]:
    """Return (code, reason, seconds after which a retry makes sense or 0)."""
    match error:
        case InvalidRequest() | BadInput():
            return grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", 0
        case Malformed():
            return grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST", 0
        case NewerRelease():
            return grpc.StatusCode.FAILED_PRECONDITION, "RELEASE_TOO_NEW", 0
        case BadRelease():
            return grpc.StatusCode.INVALID_ARGUMENT, "BAD_RELEASE", 0
        case Unserved():
            return grpc.StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED", 0
        case NotFound():
            return grpc.StatusCode.NOT_FOUND, "NOT_FOUND", 0
        case StoreUnavailable():
            return grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", STORE_RETRY_SECONDS
        case Draining():
            return grpc.StatusCode.UNAVAILABLE, "DRAINING", DRAINING_RETRY_SECONDS
        case NoRelease():
            return grpc.StatusCode.UNAVAILABLE, "NO_RELEASE", RELEASE_RETRY_SECONDS
        case NothingToRollBack():
            return grpc.StatusCode.FAILED_PRECONDITION, "NOTHING_TO_ROLL_BACK", 0
        case LoadInProgress():
            return grpc.StatusCode.ABORTED, "LOAD_IN_PROGRESS", 0
        case Conflict():
            return grpc.StatusCode.ABORTED, "CONFLICT", 0
        case TooLate():
            return grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_TOO_SHORT", 0
        case _:
            return grpc.StatusCode.FAILED_PRECONDITION, "FAILED_PRECONDITION", 0


def _violations(error: ThroughlineError) -> Sequence[Violation]:
    if isinstance(error, InvalidRequest):
        return error.violations
    if isinstance(error, BadInput):
        return [Violation(error.field, error.reason)]
    if isinstance(error, Malformed):
        return [Violation(*str(error).split(": ", 1))]
    return []


def _status(code: grpc.StatusCode, text: str, details: Sequence[Message]) -> grpc.Status:
    status = status_pb2.Status(code=code_number(code), message=text)
    for detail in details:
        status.details.add().Pack(detail)
    made: grpc.Status = rpc_status.to_status(status)
    return made
