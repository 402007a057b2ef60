"""A store that takes no writes: every answer is at once and flagged, nothing is used up."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from throughline.v1 import common_pb2, recommendation_pb2

from models.domain.catalogue import Offer, Row
from models.policy.schema import Cap, Contact, Policy
from service.store.database.location import DATABASE
from service.store.sqlite.backend import SqliteBackend
from tests.support.in_process import Running, event, recommend_request, running
from tests.support.redis_server import RedisServer
from tests.support.small_release import small_rows
from tests.support.waiting import Pool, eventually

pytestmark = pytest.mark.machine

KEY = "ab" * 32
VOLUME = 1000
AT_ONCE = 1.5  # seconds on any machine; a decision that tries again and again takes longer
POLICY = Policy(
    contact=Contact(
        caps=(
            Cap(name="daily", limit=3, days=1, channels=("email",)),
            Cap(name="once", limit=1, days=1, per="offer", channels=("app",), hard=True),
        )
    )
)
REFUSED, AWAY = common_pb2.FLAG_NOTHING_RESERVED, common_pb2.FLAG_STATE_UNAVAILABLE


class Broken(NamedTuple):
    """A server over a store, and a way to have that refuse writes for a while."""

    live: Running
    refusing: Callable[[], AbstractContextManager[None]]


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a database, as another process does that hangs."""
    with closing(sqlite3.connect(directory / DATABASE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def _full(live: Running) -> Iterator[None]:
    """Leave the writer of a database no page more."""
    backend = live.server.dependencies.store._backend
    assert isinstance(backend, SqliteBackend)

    def bound(connection: sqlite3.Connection, pages: int) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    backend._submit(lambda connection: bound(connection, 1))
    # Freed pages are used before new ones: events fill those that there are.
    for number in range(2_000):
        if not _stored(live, f"fill{number}", "x" * 50_000):
            break
    yield
    backend._submit(lambda connection: bound(connection, 1_073_741_823))


def _stored(live: Running, event_id: str, value: str = "") -> bool:
    try:
        live.record(event(event_id, "fill", "attributes_changed", attributes={"a": value[:250]}))
    except Exception:
        return False
    return True


@contextmanager
def _of_redis(server: RedisServer, name: str, value: str, healthy: str) -> Iterator[None]:
    with server.client() as client:
        client.config_set(name, value)
        yield
        client.config_set(name, healthy)


@contextmanager
def _replica(server: RedisServer) -> Iterator[None]:
    with server.client() as client:
        client.replicaof("127.0.0.1", "1")  # of nobody
        client.config_set("replica-serve-stale-data", "yes")
        yield
        client.replicaof("NO", "ONE")


@pytest.fixture(params=["locked", "full", "oom", "replica", "lonely"])
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broken]:
    """A server whose store can be made to refuse writes, in each of several ways."""
    rows: list[Row] = [*small_rows(), Offer(id="voucher", items=("item1",), volume=VOLUME)]
    store = f"sqlite:{tmp_path / 'data'}"
    if request.param not in ("locked", "full"):
        server: RedisServer = request.getfixturevalue("own_redis")
        store = server.url
    with running(tmp_path, rows=rows, store=store, key=KEY, redis_timeout=30.0) as live:
        live.server.dependencies.active_release.publish(POLICY)
        ways: dict[str, Callable[[], AbstractContextManager[None]]] = {
            "locked": lambda: _locked(tmp_path / "data"),
            "full": lambda: _full(live),
            "oom": lambda: _of_redis(server, "maxmemory", "1mb", "0"),
            "replica": lambda: _replica(server),
            "lonely": lambda: _of_redis(server, "min-replicas-to-write", "3", "0"),
        }
        yield Broken(live, ways[request.param])


def _timed(live: Running, *values: str, **more: object) -> recommendation_pb2.RecommendResponse:
    begun = time.monotonic()
    answer = live.recommend(*values, **more)  # type: ignore[arg-type]
    assert time.monotonic() - begun < AT_ONCE
    return answer


def test_every_answer_is_at_once_and_flagged(broken: Broken) -> None:
    """Whatever would be reserved is withheld, the rest is shown, and healing ends it."""
    live = broken.live
    live.record(event("before", "known"))
    healthy = live.recommend("known")
    assert REFUSED not in healthy.flags
    with broken.refusing():
        with_id = _timed(live, "known", request_id="r1")
        assert REFUSED in with_id.flags
        assert AWAY not in with_id.flags
        assert with_id.offers
        assert with_id.moment.profile_version == healthy.moment.profile_version
        assert not _timed(live, "known", channel="email").offers
        assert not _timed(live, "known", channel="app").offers
        limited = _timed(live, "other", include=["voucher"])
        assert not limited.offers
        assert [one.reason for one in limited.withheld if one.offer_id == "voucher"] == [
            recommendation_pb2.WITHHOLD_REASON_EXHAUSTED
        ]
        with Pool(12) as callers:
            asked = [
                callers.submit(_timed, live, f"c{number}", request_id=f"r{number}", count=3)
                for number in range(48)
            ]
            assert all(REFUSED in one.result().flags for one in asked)
    assert eventually(lambda: REFUSED not in live.recommend("known", request_id="after").flags)
    assert live.recommend("known", channel="email").offers


def test_nothing_of_a_volume_is_lost(broken: Broken) -> None:
    """Pieces that were claimed before the store refused the grant are given afterwards."""
    live = broken.live
    volumes = live.server.dependencies.volumes
    assert [shown.offer_id for shown in live.recommend("a", include=["voucher"]).offers]
    left = volumes._leases["voucher"].left
    assert left > 3
    with broken.refusing():
        for number in range(5):
            _timed(live, f"b{number}", include=["voucher"])
    assert volumes._leases["voucher"].left == left
    assert eventually(lambda: bool(live.recommend("c", include=["voucher"], request_id="c").offers))
    assert volumes._leases["voucher"].left >= left - 2


def test_events_are_refused_and_named(broken: Broken) -> None:
    """An event that cannot be stored is UNAVAILABLE within its deadline, and tells no path."""
    live = broken.live
    with broken.refusing():
        request = recommend_request("a")
        assert live.client.recommendations.Recommend(request, timeout=2.0).offers
        with pytest.raises(grpc.RpcError) as raised:
            live.record(event("e1", "a"))
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
        details = raised.value.details() or ""
        assert "/" not in details
        assert "127.0.0.1" not in details
    assert eventually(lambda: _stored(live, "e2"))
