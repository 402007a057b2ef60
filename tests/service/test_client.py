"""The client sends a call again where the service says to, and only then."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer, add_HealthServicer_to_server

from models.errors import BadInput, ThroughlineError
from service.client import CALLS, CallFailed, connect
from service.contract.errors import Draining, NoRelease
from service.contract.status import failure_kind, grpc_status


class Refusing(HealthServicer):
    """Refuses as many calls as it has errors, one after another, then answers."""

    def __init__(self, errors: Sequence[ThroughlineError]) -> None:
        self.errors = list(errors)
        self.calls = 0

    def Check(  # noqa: N802 - gRPC's name
        self, _request: HealthCheckRequest, context: grpc.ServicerContext
    ) -> HealthCheckResponse:
        """Refuse or answer."""
        self.calls += 1
        if self.errors:
            context.abort_with_status(grpc_status(self.errors.pop(0)))
        return HealthCheckResponse()


@contextmanager
def serving(errors: Sequence[ThroughlineError]) -> Iterator[tuple[Refusing, str]]:
    """Yield a service that refuses, and where it listens."""
    refusing = Refusing(errors)
    server = grpc.server(ThreadPoolExecutor(1))
    add_HealthServicer_to_server(refusing, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield refusing, f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def ask(server: str, timeout: float = 20.0) -> HealthCheckResponse:
    """Ask as a command does."""
    with connect(server, timeout) as client:
        return client.call(client.health, HealthCheckRequest())


def test_what_is_said_to_be_tried_again_is() -> None:
    """A command meets a service that is away for a moment, and the user never hears of it."""
    with serving([Draining()] * (CALLS - 1)) as (refusing, server):
        ask(server)
    assert refusing.calls == CALLS


@pytest.mark.parametrize(
    ("error", "timeout", "calls"),
    [
        pytest.param(Draining(), 20.0, CALLS, id="tried so often and no more"),
        pytest.param(Draining(), 0.9, 1, id="no time for what is advised"),
        pytest.param(NoRelease(), 20.0, 1, id="advised too late to wait"),
        pytest.param(BadInput("count", "too large"), 20.0, 1, id="never advised"),
    ],
)
def test_what_stays_refused_is_told(error: ThroughlineError, timeout: float, calls: int) -> None:
    """A refusal that stays is told by its reason, after no more calls than can help."""
    with (
        serving([error] * (CALLS + 1)) as (refusing, server),
        pytest.raises(CallFailed, match=failure_kind(error).reason),
    ):
        ask(server, timeout)
    assert refusing.calls == calls
