"""What a service refuses or cannot do, beyond what `models.errors` has; `status` tells callers."""

from models.errors import ThroughlineError


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


class Overloaded(ThroughlineError):
    """More calls at once than are let in: nothing was started."""

    def __init__(self) -> None:
        super().__init__("overloaded")


class DeadlineTooShort(ThroughlineError):
    """The caller's deadline leaves no time to answer: nothing was started."""


class MethodNotImplemented(ThroughlineError):
    """A method of a public service that this server does not have."""


class RequestIdReused(ThroughlineError):
    """A request id that names another request."""

    def __init__(self) -> None:
        super().__init__("request_id: already used with another request")


class NoLongerServed(ThroughlineError):
    """A decision of a release or a policy that is no longer in force."""

    def __init__(self, what: str, name: str) -> None:
        """`what` is no longer in force: a release or a policy, by its id or digest."""
        super().__init__(
            f"decision_id: made by {what} {name[:8]}, no longer in force; "
            "ask `throughline decisions explain` or `replay`"
        )


class MalformedRequest(ThroughlineError):
    """Bytes that are not the message."""

    def __init__(self, message: str) -> None:
        super().__init__(f"request: not a valid {message}")
