"""Builds the gRPC server: its services, thread pools, limits, TLS, health and reflection."""

import grpc
import structlog
from google.protobuf.internal import api_implementation
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from throughline.v1 import (
    customer_pb2,
    customer_pb2_grpc,
    event_pb2,
    event_pb2_grpc,
    offer_pb2,
    offer_pb2_grpc,
    policy_pb2,
    policy_pb2_grpc,
    recommendation_pb2,
    recommendation_pb2_grpc,
    release_pb2,
    release_pb2_grpc,
)

from service.config.settings import ConfigurationError, Settings
from service.metrics.calls import CallMetrics
from service.rpc.admission import Admission, Bulkhead
from service.rpc.customers import CustomerServicer
from service.rpc.dependencies import Dependencies
from service.rpc.events import EventServicer
from service.rpc.interceptor import InterceptingServer
from service.rpc.kinds import bulkheads
from service.rpc.offers import OfferServicer
from service.rpc.policies import PolicyServicer
from service.rpc.recommendations import RecommendationServicer
from service.rpc.releases import ReleaseServicer
from service.server.connections import ALONE, OPTIONS, SHARING, most_connections
from service.server.tls import CertificateFiles, Certificates

_log = structlog.get_logger(__name__)

RECOMMENDATION, EVENT, CUSTOMER, OFFER, RELEASE, POLICY = (
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (recommendation_pb2, "RecommendationService"),
        (event_pb2, "EventService"),
        (customer_pb2, "CustomerService"),
        (offer_pb2, "OfferService"),
        (release_pb2, "ReleaseService"),
        (policy_pb2, "PolicyService"),
    )
)
ALIVE = "/throughline.self/Alive"  # what a server asks itself
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Server:
    """One gRPC server: bound first, then started with the dependencies of its services.

    `port` is the one that it is bound to.
    """

    dependencies: Dependencies

    def __init__(
        self,
        settings: Settings,
        calls: CallMetrics,
        certificates: CertificateFiles | None = None,
        shared_port: int | None = None,
    ) -> None:
        """`calls` counts what is called. With `certificates` it serves TLS only.

        `shared_port` is one of several workers'.
        """
        # Pure Python protobuf has no limit on recursion and takes forty times as long.
        if api_implementation.Type() != "upb":
            raise ConfigurationError("protobuf: not the upb implementation")
        self._listen = settings.listen
        if shared_port is not None:
            self._listen = f"{settings.listen.rpartition(':')[0]}:{shared_port}"
        self._certificates = certificates
        admission = Admission()
        self._bulkheads = bulkheads(settings)
        self._server = grpc.server(
            self._bulkheads["health"],  # of what names no other one, and that is nothing
            interceptors=[admission],
            options=(*OPTIONS, most_connections(), ALONE if shared_port is None else SHARING),
        )
        self._health = health.HealthServicer(experimental_non_blocking=True)
        self._said: dict[str, int] = {}  # the health of each service, as it was last set
        self._intercepting = InterceptingServer(self._server, self._bulkheads, calls, admission)
        self.port = 0
        self._stopping = False

    def bind(self) -> None:
        """Take the port; raises `ConfigurationError` when somebody has it."""
        try:
            if self._certificates is None:
                self.port = self._server.add_insecure_port(self._listen)
            else:
                credentials = _credentials(self._certificates)
                self.port = self._server.add_secure_port(self._listen, credentials)
        except RuntimeError:
            raise ConfigurationError(f"listen: cannot bind to {self._listen}") from None

    def bind_also(self, address: str) -> None:
        """Listen on a further address, without TLS: one that nobody else can reach.

        `ALIVE` answers nothing, and is counted nowhere.
        """
        self._server.add_insecure_port(address)
        service, method = ALIVE.strip("/").split("/")
        answer: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
            lambda request, context: b""
        )
        self._server.add_registered_method_handlers(service, {method: answer})

    @property
    def deciding(self) -> Bulkhead:
        """Return the calls that decide."""
        return self._bulkheads["decide"]

    def end_overdue(self) -> None:
        """End what has been open for longer than it may; to be called every second or so."""
        self._intercepting.end_overdue()

    def start(self, dependencies: Dependencies) -> None:
        """Begin to answer calls."""
        self.dependencies = dependencies
        self._intercepting.within = dependencies.store.within
        self._add_services(dependencies)
        self.update_health()
        self._server.start()

    def update_health(self) -> None:
        """Set each service's health by what it depends on.

        Deciding goes on without the store, so that an outage of the store does not take every
        instance out of its load balancer at once; what must be stored says that it cannot be. In
        the same way it goes on by the release or policy before, where that in force is damaged.
        """
        snapshot = self.dependencies.active_release.snapshot
        deciding = _SERVING if snapshot.release_id else _NOT_SERVING
        storing = _SERVING if self.dependencies.store_answers() else _NOT_SERVING
        for service in (health.OVERALL_HEALTH, RECOMMENDATION):
            self._say(service, deciding)
        for service in (EVENT, CUSTOMER, OFFER):
            self._say(service, storing)
        self._say(RELEASE, _NOT_SERVING if snapshot.refused_release else _SERVING)
        self._say(POLICY, _NOT_SERVING if snapshot.refused_policy else _SERVING)
        self._say(health.SERVICE_NAME, _SERVING)

    def leave(self) -> None:
        """Say NOT_SERVING from now on, and go on to answer."""
        self._health.enter_graceful_shutdown()

    def stop(self, grace: float) -> None:
        """Say NOT_SERVING, take no more calls, and wait for those in flight, `grace` seconds.

        Only the first time: who was interrupted in it waits for nothing again.
        """
        if self._stopping:
            return
        self._stopping = True
        self.leave()
        stopped = self._server.stop(grace)
        self._intercepting.end_streams()
        stopped.wait()
        for bulkhead in self._bulkheads.values():
            bulkhead.shutdown()

    def _say(self, service: str, status: int) -> None:
        # What is set goes to every watch, under the lock that a check takes, too: a watch that is
        # not read is full some day, and would hold up all checks, and the stop.
        if self._said.get(service) != status:
            self._health.set(service, status)
            self._said[service] = status

    def _add_services(self, dependencies: Dependencies) -> None:
        server = self._intercepting.as_server()
        recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(
            RecommendationServicer(dependencies), server
        )
        event_pb2_grpc.add_EventServiceServicer_to_server(EventServicer(dependencies), server)
        customer_pb2_grpc.add_CustomerServiceServicer_to_server(
            CustomerServicer(dependencies), server
        )
        offer_pb2_grpc.add_OfferServiceServicer_to_server(OfferServicer(dependencies), server)
        release_pb2_grpc.add_ReleaseServiceServicer_to_server(ReleaseServicer(dependencies), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        policy_pb2_grpc.add_PolicyServiceServicer_to_server(PolicyServicer(dependencies), server)
        services = (RECOMMENDATION, EVENT, CUSTOMER, OFFER, RELEASE, POLICY)
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)


def _credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """Return credentials that each new connection gets from what the files hold by then."""
    served = files.current

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal served
        if files.current is served:
            return None
        served = files.current
        return _configuration(served)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(served),
        changed,  # type: ignore[arg-type] # None, for no change, is missing from the stubs
        require_client_authentication=served.client_ca is not None,
    )


def _configuration(held: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(held.key, held.chain)], held.client_ca)
