"""Builds the gRPC server: its services, thread pools, limits, health and reflection."""

from concurrent.futures import ThreadPoolExecutor

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
    recommendation_pb2,
    recommendation_pb2_grpc,
    release_pb2,
    release_pb2_grpc,
)

from service import limits
from service.customers import Customers
from service.events import Events
from service.guard import GuardedServer
from service.offers import Offers
from service.parts import Parts
from service.recommendation import Recommendations
from service.releases import Releases
from service.settings import ConfigurationError, Settings

_log = structlog.get_logger(__name__)

RECOMMENDATION, EVENT, CUSTOMER, OFFER, RELEASE = (
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (recommendation_pb2, "RecommendationService"),
        (event_pb2, "EventService"),
        (customer_pb2, "CustomerService"),
        (offer_pb2, "OfferService"),
        (release_pb2, "ReleaseService"),
    )
)
OPTIONS = (
    ("grpc.so_reuseport", 0),  # else a second server would take half the calls of the first
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),  # what the client does not want it refuses itself
    ("grpc.max_metadata_size", limits.METADATA_SOFT_BYTES),
    ("grpc.absolute_max_metadata_size", limits.METADATA_HARD_BYTES),
)
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Server:
    """One gRPC server over `parts`; `port` is the one it listens on once it is bound."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        # Pure Python protobuf has no limit on recursion and takes forty times as long.
        if api_implementation.Type() != "upb":
            raise ConfigurationError("protobuf: not the upb implementation")
        self.parts = parts
        self._listen = settings.listen
        self._pools = {
            "decide": _pool("decide", settings.decide_threads),
            "ingest": _pool("ingest", settings.ingest_threads),
            "bulk": _pool("bulk", settings.bulk_threads),
            "catalogue": _pool("catalogue", 2),
            "release": _pool("release", 2),
            "other": _pool("other", 4),
        }
        self._server = grpc.server(
            self._pools["other"],
            options=OPTIONS,
            maximum_concurrent_rpcs=settings.max_concurrent_calls,
        )
        self._health = health.HealthServicer(experimental_non_blocking=True)
        self._guard = GuardedServer(
            self._server,
            {
                "RecommendationService": self._pools["decide"],
                "RecommendationService/RecommendBatch": self._pools["bulk"],
                "CustomerService": self._pools["decide"],
                "CustomerService/LinkIdentifiers": self._pools["ingest"],
                "EventService": self._pools["ingest"],
                "OfferService": self._pools["catalogue"],
                "ReleaseService": self._pools["release"],
            },
        )
        self._add_services()
        self.port = 0

    def bind(self) -> None:
        """Take the port; raises `ConfigurationError` when somebody has it."""
        try:
            self.port = self._server.add_insecure_port(self._listen)
        except RuntimeError:
            raise ConfigurationError(f"listen: cannot bind to {self._listen}") from None

    def start(self) -> None:
        """Begin to answer."""
        self._server.start()

    def update_health(self) -> None:
        """Set each service's health by what it depends on.

        Deciding goes on without the store, so that an outage of the store does not take every
        instance out of its load balancer at once; what must be stored says that it cannot be.
        """
        deciding = _SERVING if self.parts.runtime.release else _NOT_SERVING
        storing = _SERVING if self.parts.storing() else _NOT_SERVING
        for service in (health.OVERALL_HEALTH, RECOMMENDATION):
            self._health.set(service, deciding)
        for service in (EVENT, CUSTOMER, OFFER):
            self._health.set(service, storing)
        self._health.set(RELEASE, _SERVING)

    def stop(self, grace: float) -> None:
        """Say NOT_SERVING, take no more calls, and wait for those in flight, `grace` seconds."""
        self._health.enter_graceful_shutdown()
        stopped = self._server.stop(grace)
        self._guard.cancel_streams()
        stopped.wait()
        for pool in self._pools.values():
            pool.shutdown()

    def _add_services(self) -> None:
        server, parts = self._guard.as_server(), self.parts
        recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(
            Recommendations(parts), server
        )
        event_pb2_grpc.add_EventServiceServicer_to_server(Events(parts), server)
        customer_pb2_grpc.add_CustomerServiceServicer_to_server(Customers(parts), server)
        offer_pb2_grpc.add_OfferServiceServicer_to_server(Offers(parts), server)
        release_pb2_grpc.add_ReleaseServiceServicer_to_server(Releases(parts), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        services = (RECOMMENDATION, EVENT, CUSTOMER, OFFER, RELEASE)
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)


def _pool(name: str, threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix=name)
