"""Health tells the truth: each fault, and what Check and Watch then say of each service."""

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from throughline.v1 import event_pb2, release_pb2

from models.release.registry import Registry
from service.client import Client
from tests.support.damage import flip_a_bit
from tests.support.in_process import enter_release, event, recommend_request, running
from tests.support.redis_server import RedisServer
from tests.support.server_processes import prepared, served
from tests.support.waiting import PATIENCE, eventually, joined

pytestmark = pytest.mark.machine

KEY = "ab" * 32
NAMES = {
    "": "",
    "decide": "throughline.v1.RecommendationService",
    "event": "throughline.v1.EventService",
    "customer": "throughline.v1.CustomerService",
    "offer": "throughline.v1.OfferService",
    "release": "throughline.v1.ReleaseService",
    "policy": "throughline.v1.PolicyService",
    "live": "grpc.health.v1.Health",
}
STATUS = health_pb2.HealthCheckResponse.ServingStatus


def told(deciding: bool, storing: bool, there: bool = True, release: bool = True) -> dict[str, str]:
    """Return what health says of every service, given what the server can do.

    `there`: it is not about to end; `release`: that in force is not refused.
    """
    can = dict.fromkeys(("", "decide"), deciding)
    can |= dict.fromkeys(("event", "customer", "offer"), storing)
    can |= {"release": there and release, "policy": there, "live": there}
    return {name: "SERVING" if can[name] else "NOT_SERVING" for name in NAMES}


WELL = told(deciding=True, storing=True)
NO_RELEASE = told(deciding=False, storing=True)
BAD_FIRST = told(deciding=False, storing=True, release=False)
BAD_LATER = told(deciding=True, storing=True, release=False)
BAD_AND_NO_STORE = told(deciding=True, storing=False, release=False)
NO_STORE = told(deciding=True, storing=False)
LEAVING = told(deciding=False, storing=False, there=False)


class Health:
    """Asks by Check, and listens by a Watch of every service that stays open."""

    def __init__(self, channel: grpc.Channel) -> None:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        self._stub = stub
        self.watched: dict[str, str] = {}
        self.ended: dict[str, grpc.RpcError] = {}
        self._calls: list[Any] = []
        self._threads: list[threading.Thread] = []
        for name, service in NAMES.items():
            call = stub.Watch(health_pb2.HealthCheckRequest(service=service))
            self._calls.append(call)
            self._threads.append(
                threading.Thread(target=self._listen, args=(name, call), daemon=True)
            )
            self._threads[-1].start()

    def checked(self) -> dict[str, str]:
        """Ask for every service."""
        asked = {
            name: self._stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
            for name, service in NAMES.items()
        }
        return {name: STATUS.Name(answer.status) for name, answer in asked.items()}

    def says(self, wanted: dict[str, str]) -> bool:
        """Tell whether Check and Watch both come to say this."""
        return eventually(lambda: self.checked() == wanted == self.watched)

    def close(self) -> None:
        """End the watches."""
        for call in self._calls:
            call.cancel()
        joined(*self._threads)

    def _listen(self, name: str, call: Any) -> None:
        try:
            for answer in call:
                self.watched[name] = STATUS.Name(answer.status)
        except grpc.RpcError as error:
            self.ended[name] = error


@contextmanager
def health_of(channel: grpc.Channel) -> Iterator[Health]:
    """Yield the health of the server behind a channel."""
    health = Health(channel)
    try:
        yield health
    finally:
        health.close()


def enter_damaged(registry: Registry, seed: int) -> str:
    """Put a damaged release in force, as no promotion would, and return its id."""
    bad = enter_release(registry.directory, seed=seed)
    flip_a_bit(registry.path(bad), "item_vectors.npy")
    registry.promote(bad, seed)
    return bad


def test_health_follows_the_release(tmp_path: Path) -> None:
    """Deciding is healthy from the first good release on, whatever bad ones come before or after.

    And a server that is about to end says so of everything, for good.
    """
    with running(tmp_path, promoted=False, rows=[]) as live, health_of(live.channel) as health:
        assert health.says(NO_RELEASE)
        runtime = live.server.dependencies.active_release
        for number, fault in ((2, "bad, and the only one"), (4, "bad, after a good one")):
            bad = enter_damaged(live.registry, number)
            assert eventually(lambda: live.refused == (bad, "")), fault  # noqa: B023
            assert health.says(BAD_FIRST if number == 2 else BAD_LATER), fault
            good = enter_release(live.registry.directory, seed=number + 1)
            live.registry.promote(good, number + 1)
            assert eventually(lambda: runtime.release_id == good)  # noqa: B023
            assert health.says(WELL), "good, and an empty catalogue"
        live.server.leave()
        assert health.says(LEAVING)
        live.server.update_health()
        assert health.checked() == LEAVING
        assert live.recommend("L1").moment.release == good


def test_health_follows_redis(tmp_path: Path, own_redis: RedisServer) -> None:
    """Whatever is wrong with Redis, deciding stays healthy and storing does not; then both are."""
    with (
        running(tmp_path, store=own_redis.url, key=KEY) as live,
        health_of(live.channel) as health,
        own_redis.client() as redis,
    ):
        assert health.says(WELL)
        own_redis.kill()
        assert health.says(NO_STORE), "away"
        own_redis.start()
        assert health.says(WELL), "back"
        own_redis.send(signal.SIGSTOP)
        assert health.says(NO_STORE), "frozen"
        own_redis.send(signal.SIGCONT)
        assert health.says(WELL), "thawed"
        redis.replicaof("127.0.0.1", "1")
        assert health.says(NO_STORE), "read-only"
        redis.replicaof("NO", "ONE")
        assert health.says(WELL), "writable"
        redis.config_set("maxmemory", "1")
        assert health.says(NO_STORE), "full"
        redis.config_set("maxmemory", "0")
        assert health.says(WELL), "room again"
        assert "decide" not in health.ended


def test_health_follows_the_disk_and_the_end(tmp_path: Path) -> None:
    """A damaged release at the start and a disk that takes no write are told, and so is the end.

    Until the lame duck's wait is over, calls are answered; then an open watch ends with UNAVAILABLE
    and advice to come again.
    """
    prepared(tmp_path)
    enter_damaged(Registry(tmp_path / "var" / "registry"), 2)
    (tmp_path / "settings.toml").write_text("lame_duck_seconds = 3\n")
    with served(tmp_path, "--config", "settings.toml") as live:
        address = f"127.0.0.1:{live.port}"
        with grpc.insecure_channel(address) as channel, health_of(channel) as health:
            client = Client(channel, address, 5)
            assert health.says(BAD_LATER), "the release before the damaged one"
            pid, limit = live.pid, resource.RLIMIT_FSIZE
            soft, hard = resource.prlimit(pid, limit)
            resource.prlimit(pid, limit, (0, hard))
            assert health.says(BAD_AND_NO_STORE), "no file can be written"
            with pytest.raises(grpc.RpcError) as raised:
                record(client, "e1")
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
            assert client.recommendations.Recommend(recommend_request("L1"), timeout=5).decision_id
            resource.prlimit(pid, limit, (soft, hard))
            assert health.says(BAD_LATER), "files can be written again"
            record(client, "e2")
            live.send(signal.SIGTERM)
            assert health.says(LEAVING)
            record(client, "e3")
            assert client.releases.ListReleases(release_pb2.ListReleasesRequest()).releases
            assert live.wait(PATIENCE) == 0
            assert eventually(lambda: len(health.ended) == len(NAMES))
            for error in health.ended.values():
                assert error.code() is grpc.StatusCode.UNAVAILABLE
                assert error.details() == "draining"
                assert retry_advised(error)


def test_a_watch_hears_only_what_changes(tmp_path: Path) -> None:
    """However often health is looked after, a watch that nobody reads does not fill up."""
    with running(tmp_path) as live:
        stub: Any = health_pb2_grpc.HealthStub(live.channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert STATUS.Name(next(watch).status) == "SERVING"
        for _ in range(10):
            live.server.update_health()
        live.server.leave()
        assert STATUS.Name(next(watch).status) == "NOT_SERVING"


def test_an_unknown_service_is_not_healthy(tmp_path: Path) -> None:
    """Check of a service that is not there is NOT_FOUND, and Watch says SERVICE_UNKNOWN."""
    with running(tmp_path, promoted=False) as live:
        stub: Any = health_pb2_grpc.HealthStub(live.channel)
        asked = health_pb2.HealthCheckRequest(service="throughline.v1.NoService")
        with pytest.raises(grpc.RpcError) as raised:
            stub.Check(asked, timeout=5)
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
        watch = stub.Watch(asked)
        assert STATUS.Name(next(watch).status) == "SERVICE_UNKNOWN"
        watch.cancel()


def record(client: Client, event_id: str) -> None:
    """Record an event that must be stored."""
    request = event_pb2.RecordEventsRequest(events=[event(event_id)])
    assert client.events.RecordEvents(request, timeout=PATIENCE).results[0].outcome.code == 0


def retry_advised(error: grpc.RpcError) -> bool:
    """Tell whether an error says when to come again."""
    status = rpc_status.from_call(cast(grpc.Call, error))
    assert status is not None
    return any(packed.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for packed in status.details)
