"""A real server in this process on a free port, and a client of it over a real channel."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from throughline.v1 import common_pb2, event_pb2, recommendation_pb2

from models.domain.catalogue import Row
from models.release.registry import Entry, Registry
from service.client import Client, Tls
from service.config.settings import read_settings
from service.server.lifecycle import running_server
from service.server.parent import NOBODY, Parent
from service.server.server import Server
from tests.support.small_release import small_rows, write_small_release
from tests.support.waiting import PATIENCE

PLAIN = Tls()


@dataclass(frozen=True)
class Running:
    """A server, its registry, a channel to it and the stubs over that."""

    server: Server
    registry: Registry
    channel: grpc.Channel
    client: Client

    def recommend(
        self, *values: str, channel: str = "web", count: int = 10, **more: object
    ) -> recommendation_pb2.RecommendResponse:
        """Ask for offers of the customer with these `loyalty` values."""
        request = recommend_request(*values, channel=channel, count=count, **more)
        return self.client.recommendations.Recommend(request, timeout=PATIENCE)

    def record(self, *events: event_pb2.Event) -> event_pb2.RecordEventsResponse:
        """Record events."""
        request = event_pb2.RecordEventsRequest(events=events)
        return self.client.events.RecordEvents(request, timeout=PATIENCE)

    @property
    def refused(self) -> tuple[str, str]:
        """Return the release and the policy in force that were refused, "" where neither was."""
        snapshot = self.server.dependencies.active_release.snapshot
        halves = (snapshot.refused_release, snapshot.refused_policy)
        release, policy = ("" if half is None else half.entry.id for half in halves)
        return release, policy

    def raw(self, method: str, data: bytes) -> bytes:
        """Send bytes as they are to a method, `Service/Method`; raises `grpc.RpcError`."""
        call: Any = self.channel.unary_unary(f"/throughline.v1.{method}")
        answer: bytes = call(data, timeout=PATIENCE)
        return answer


def enter_release(directory: Path, seed: int = 1) -> str:
    """Write a small release into the registry at `directory` and return its id."""
    release_id, _ = write_small_release(directory, seed=seed)
    Registry(directory).add(Entry(release=release_id, created=seed * 1_000_000))
    return release_id


@contextmanager
def running(
    directory: Path,
    *,
    promoted: bool = True,
    rows: Sequence[Row] | None = None,
    tls: Tls = PLAIN,
    parent: Parent = NOBODY,
    **options: object,
) -> Iterator[Running]:
    """Yield a running server with a small release in force and a small catalogue.

    `options` are settings; `tls` is what the client comes with; `parent` is told of its life.
    """
    registry = Registry(directory / "registry")
    if promoted and not registry.pointer().release:
        release_id = enter_release(registry.directory)
        registry.promote(release_id, 1)
    settings = read_settings(
        None,
        **{
            "listen": "127.0.0.1:0",
            "store": f"sqlite:{directory / 'data'}",
            "registry": registry.directory,
            "spill": directory / "spill",
            "drain_seconds": 5.0,
            **options,
        },
    )
    with running_server(settings, None, parent) as server:
        wanted = small_rows() if rows is None else rows
        if wanted:
            server.dependencies.store.put_catalogue(wanted)
            server.dependencies.active_release.refresh_catalogue()
        with tls.channel(f"127.0.0.1:{server.port}") as channel:
            yield Running(server, registry, channel, Client(channel, "the test's server", PATIENCE))


def loyalty(value: str) -> common_pb2.Identifier:
    """Return an identifier."""
    return common_pb2.Identifier(namespace="loyalty", value=value)


def recommend_request(
    *values: str, channel: str = "web", count: int = 10, **more: object
) -> recommendation_pb2.RecommendRequest:
    """Return a request for the customer with these `loyalty` values."""
    request = recommendation_pb2.RecommendRequest(channel=channel, count=count, **more)  # type: ignore[arg-type]
    request.identifiers.extend(loyalty(value) for value in values)
    return request


def event(event_id: str, value: str = "L1", type_: str = "view", **more: object) -> event_pb2.Event:
    """Return an event of now."""
    now = Timestamp()
    now.GetCurrentTime()
    fields: dict[str, object] = {"channel": "web", "time": now, **more}
    return event_pb2.Event(
        event_id=event_id,
        identifier=loyalty(value),
        type=type_,
        **fields,  # type: ignore[arg-type]
    )
