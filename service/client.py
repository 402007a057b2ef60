"""A typed client of a running service: one channel, its stubs, and failures a person can read."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar, cast

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_status import rpc_status
from throughline.v1.customer_pb2_grpc import CustomerServiceStub
from throughline.v1.event_pb2_grpc import EventServiceStub
from throughline.v1.offer_pb2_grpc import OfferServiceStub
from throughline.v1.policy_pb2_grpc import PolicyServiceStub
from throughline.v1.recommendation_pb2_grpc import RecommendationServiceStub
from throughline.v1.release_pb2_grpc import ReleaseServiceStub

from models.errors import BadInput, ThroughlineError
from service.proxies import address_of, proxy_variable
from service.unreachable import why

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
HealthCheck: TypeAlias = "grpc.UnaryUnaryMultiCallable[HealthCheckRequest, HealthCheckResponse]"

# Files in PEM. Whoever names the first is a client over TLS.
SERVER_CA = "THROUGHLINE_SERVER_CA"
CLIENT_CERTIFICATE = "THROUGHLINE_CLIENT_CERTIFICATE"
CLIENT_KEY = "THROUGHLINE_CLIENT_KEY"

CALLS = 3  # at most, of one that the service says to send again
LONGEST_WAIT = 2.0  # seconds: what takes longer is told instead

_EXIT_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: os.EX_DATAERR,
    grpc.StatusCode.OUT_OF_RANGE: os.EX_DATAERR,
    grpc.StatusCode.UNAVAILABLE: os.EX_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: os.EX_UNAVAILABLE,
}


class CallFailed(ThroughlineError):
    """A call that the service refused or could not answer, told in one line.

    `told` is that line without the code; `violations` are the fields that were refused, and why.
    """

    def __init__(
        self, code: grpc.StatusCode, text: str, violations: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(f"{code.name}: {text}")
        self.code = code
        self.told = text
        self.violations = tuple(violations)
        self.exit_code = _EXIT_CODES.get(code, 1)


class Tls(NamedTuple):
    """What a client needs for TLS, in PEM: whom it trusts, and what it shows of itself if asked.

    Without `ca` it does without TLS.
    """

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None

    @classmethod
    def from_environment(cls) -> "Tls":
        """Read the files that the environment names; raises `BadInput` when one is missing."""
        names = (SERVER_CA, CLIENT_CERTIFICATE, CLIENT_KEY)
        ca, certificate, key = (os.environ.get(name) for name in names)
        if bool(certificate) != bool(key):
            raise BadInput(CLIENT_CERTIFICATE, f"wanted together with {CLIENT_KEY}")
        if certificate and not ca:
            raise BadInput(SERVER_CA, f"missing; {CLIENT_CERTIFICATE} needs it")
        return cls(*(Path(path).read_bytes() if path else None for path in (ca, certificate, key)))

    def channel(self, server: str) -> grpc.Channel:
        """Return a channel to `server` (host:port); to this very machine never over a proxy.

        An answer may be of any size: what was asked for was decided, and is not thrown away.
        """
        address = address_of(server)
        far = address is not None and not address.is_loopback
        options = [("grpc.enable_http_proxy", int(far)), ("grpc.max_receive_message_length", -1)]
        if self.ca is None:
            return grpc.insecure_channel(server, options)
        credentials = grpc.ssl_channel_credentials(self.ca, self.key, self.certificate)
        return grpc.secure_channel(server, credentials, options)


class Client:
    """The stubs of every service over one channel; made by `connect`.

    `timeout` is the deadline of a call in seconds, `calls` how often it is sent at most.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        server: str,
        timeout: float,
        tls: Tls | None = None,
        calls: int = 1,
    ) -> None:
        self.recommendations = RecommendationServiceStub(channel)
        self.events = EventServiceStub(channel)
        self.customers = CustomerServiceStub(channel)
        self.offers = OfferServiceStub(channel)
        self.releases = ReleaseServiceStub(channel)
        self.policies = PolicyServiceStub(channel)
        # The typed stubs of grpc_health leave the methods out.
        self.health: HealthCheck = HealthStub(channel).Check  # type: ignore[attr-defined]
        self._server = server
        self._timeout = timeout
        self._calls = calls
        self._tls = Tls() if tls is None else tls

    def call(
        self, method: "grpc.UnaryUnaryMultiCallable[RequestT, ResponseT]", request: RequestT
    ) -> ResponseT:
        """Call one method and return its answer; raises `CallFailed`.

        Where the service says to try again in a moment, that is done, within the one deadline: what
        it refuses so was not done or may be done twice.
        """
        end = time.monotonic() + self._timeout
        for calls_left in reversed(range(self._calls)):
            try:
                return method(request, timeout=max(0.0, end - time.monotonic()))
            except grpc.RpcError as error:
                details = _details(error)
                wait = details.wait
                soon = wait is not None and wait <= LONGEST_WAIT
                if wait is None or not soon or not calls_left or time.monotonic() + wait >= end:
                    raise _failure(error, details, self._server, self._tls) from None
            time.sleep(wait)
        raise AssertionError("the last call returns or raises")


@contextmanager
def connect(server: str, timeout: float = 10.0, tls: Tls | None = None) -> Iterator[Client]:
    """Yield a client of the service at `server` (host:port); closes its channel at the end.

    Unless `tls` is given, the environment says whether it is to be TLS.
    """
    tls = Tls.from_environment() if tls is None else tls
    with tls.channel(server) as channel:
        yield Client(channel, server, timeout, tls, CALLS)


class _Details(NamedTuple):
    """What a status says beside its message.

    `told` are its parts in words, `violations` the fields that were refused and why, and `wait` is
    after how many seconds the service wants the call again, None where it does not.
    """

    told: list[str]
    violations: list[tuple[str, str]]
    wait: float | None


def _details(error: grpc.RpcError) -> _Details:
    # Every RpcError that a call raises is a Call as well; the stubs cannot say so.
    status = rpc_status.from_call(cast(grpc.Call, error))
    told: list[str] = []
    violations: list[tuple[str, str]] = []
    wait = None
    for packed in () if status is None else status.details:
        bad, info, retry = BadRequest(), ErrorInfo(), RetryInfo()
        if packed.Unpack(bad):
            violations += [(field.field, field.description) for field in bad.field_violations]
            told += [f"{field.field}: {field.description}" for field in bad.field_violations]
        elif packed.Unpack(info):
            told.append(f"reason {info.reason}")
        elif packed.Unpack(retry):
            wait = retry.retry_delay.ToMilliseconds() / 1000
            told.append(f"retry in {wait:g} s")
    return _Details(told, violations, wait)


def _failure(error: grpc.RpcError, details: _Details, server: str, tls: Tls) -> CallFailed:
    call = cast(grpc.Call, error)
    code = call.code()
    if code is grpc.StatusCode.UNAVAILABLE and not details.told:
        return CallFailed(code, why(server, address_of(server), tls.ca))
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        proxy = proxy_variable(address_of(server))
        through = f" through the proxy that {proxy} names" if proxy else ""
        way = "try again, or with a longer --timeout"
        return CallFailed(code, f"{server} did not answer in time{through}; {way}")
    text = call.details() or "no details"
    # The message of a status often repeats what its details say.
    told = [detail for detail in details.told if detail not in text]
    return CallFailed(code, "; ".join([text, *told]), details.violations)
