"""`Recommend` always answers: with Redis dead, stopped, slow, far away or talking rubbish.

A real server asks a real Redis through a proxy that fails on demand, while clients keep asking,
cancel some of their calls, and record events that they send again until they are acknowledged.
"""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from throughline.v1 import event_pb2

from models.domain.catalogue import Item
from models.release.registry import Registry
from service.client import Client
from service.store.opening import open_store
from service.store.store import Store
from tests.support.channels import channel_to
from tests.support.fault_proxy import HEALTHY, Fault, FaultProxy
from tests.support.in_process import enter_release, event, recommend_request
from tests.support.proof_table import Proof
from tests.support.recommend_load import Asking, make_known
from tests.support.redis_server import RedisServer
from tests.support.server_processes import KEY, Served, keyed_server
from tests.support.small_release import small_rows

pytestmark = pytest.mark.machine

HEALED_SECONDS = 2.0
NOTICED_SECONDS = 0.5  # by then every call in flight when a fault began is answered
WASTED = 0.05  # largest share of calls that may wait for a store that is away
OK = grpc.StatusCode.OK
SERVING = health_pb2.HealthCheckResponse.SERVING


class Trouble(NamedTuple):
    """A fault: how it begins and ends; `away`: no answer can be made from the state meanwhile."""

    begin: Callable[["Scene", float], None]
    end: Callable[["Scene"], None]
    away: bool = True


class Scene(NamedTuple):
    """The parts of the scene: Redis, the proxy before it, and a server behind that."""

    redis: RedisServer
    proxy: FaultProxy
    service: Served
    store: Store  # over Redis itself


def behind(fault: Fault, away: bool = True) -> Trouble:
    """Return the trouble that the proxy makes."""
    return Trouble(
        lambda scene, _: scene.proxy.set(fault), lambda scene: scene.proxy.set(HEALTHY), away
    )


def paused(scene: Scene, seconds: float) -> None:
    """Tell Redis to make every client wait."""
    with scene.redis.client() as client:
        client.client_pause(int(seconds * 1000), all=True)


def error(text: str) -> Trouble:
    """Return the trouble of a Redis that answers every command with an error."""
    return behind(Fault(answer=f"-{text}\r\n".encode()))


TROUBLES = {
    "killed": Trouble(lambda scene, _: scene.redis.kill(), lambda scene: scene.redis.start()),
    "stopped": Trouble(
        lambda scene, _: scene.redis.send(signal.SIGSTOP),
        lambda scene: scene.redis.send(signal.SIGCONT),
    ),
    "CLIENT PAUSE": Trouble(paused, lambda scene: None),
    "0.4 s late": behind(Fault(delay=0.4)),
    "0.1 s late": behind(Fault(delay=0.1), away=False),
    "1 byte/s": behind(Fault(rate=1)),
    "20 bytes/s": behind(Fault(rate=20)),
    "lost replies": behind(Fault(lose=True)),
    "half open": behind(Fault(deaf=True)),
    "RST storm": behind(Fault(reset=True)),
    "turned bytes": behind(Fault(flip=0.002), away=False),
    "many turned bytes": behind(Fault(flip=0.05), away=False),
    "HTTP": behind(Fault(answer=b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    "nil": behind(Fault(answer=b"$-1\r\n")),
    "LOADING": error("LOADING Redis is loading the dataset in memory"),
    "READONLY": error("READONLY You can't write against a read only replica."),
    "OOM": error("OOM command not allowed when used memory > 'maxmemory'."),
    "MISCONF": error("MISCONF Errors writing to the AOF file: No space left on device"),
}
IN_SHORT = ("killed", "turned bytes", "20 bytes/s")


@pytest.fixture
def scene(tmp_path: Path, own_redis: RedisServer) -> Iterator[Scene]:
    """A server with a small release, over Redis through the proxy, with the default settings."""
    registry = Registry(tmp_path / "registry")
    registry.promote(enter_release(registry.directory), 1)
    with FaultProxy(own_redis.port).running() as proxy:
        store = open_store(own_redis.url, key=bytes.fromhex(KEY), timeout=5.0)
        store.put_catalogue(small_rows())
        url = f"redis://127.0.0.1:{proxy.port}/0"
        service = keyed_server(tmp_path, url, "--registry", str(registry.directory))
        service.start()
        assert "release refused" not in service.log.read_text()
        yield Scene(own_redis, proxy, service, store)
        service.kill()
        proxy.set(HEALTHY)
        store.close()


def health_of(client: Any, name: str) -> int:
    """Return the health of a service."""
    asked = health_pb2.HealthCheckRequest(service=f"throughline.v1.{name}")
    return int(client.Check(asked, timeout=5).status)


def comes_true(wanted: Callable[[], bool], seconds: float) -> bool:
    """Tell whether something becomes true within that time."""
    deadline = time.monotonic() + seconds
    while not wanted():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def record_until_acknowledged(client: Client, message: event_pb2.Event) -> None:
    """Record one event, sent again until it is acknowledged."""
    deadline = time.monotonic() + 30
    while True:
        try:
            answer = client.events.RecordEvents(
                event_pb2.RecordEventsRequest(events=[message]), timeout=2
            )
        except grpc.RpcError as failed:
            assert failed.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 - and sent again
        else:
            assert answer.results[0].outcome.code == 0
            return
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("deadline", "names", "seconds"),
    [
        pytest.param(0.5, IN_SHORT, 1.2, id="small"),
        pytest.param(0.5, tuple(TROUBLES), 2.0, id="full", marks=pytest.mark.prove),
        pytest.param(0.1, tuple(TROUBLES), 1.5, id="fast", marks=pytest.mark.prove),
    ],
)
def test_recommend_always_answers(
    scene: Scene, proof: Proof, deadline: float, names: tuple[str, ...], seconds: float
) -> None:
    """Whatever Redis does, each call is answered in time, right or flagged, and soon as before."""
    asking = Asking(scene.service.address, deadline)
    slowest, longest = 0.0, 0.0
    calls, wasted, excused = 0, 0, 0
    with channel_to(scene.service.address) as channel:
        client = Client(channel, "the asked one", 10)
        health: Any = health_pb2_grpc.HealthStub(channel)
        make_known(client)
        with asking.going_on():
            for name in names:
                trouble = TROUBLES[name]
                time.sleep(0.5)
                begun = time.monotonic()
                trouble.begin(scene, seconds)
                during = event(f"during {name}", "writer")
                time.sleep(seconds)
                if trouble.away:
                    assert health_of(health, "RecommendationService") == SERVING
                ending = time.monotonic()
                trouble.end(scene)
                healed = time.monotonic()
                assert comes_true(
                    lambda: health_of(health, "EventService") == SERVING, 2 * HEALED_SECONDS
                ), name
                record_until_acknowledged(client, during)
                time.sleep(max(0.0, healed + HEALED_SECONDS + 0.3 - time.monotonic()))

                # A call that waits when the trouble ends may well get its answer.
                noticed = [
                    answer
                    for answer in asking.between(begun + NOTICED_SECONDS, ending)
                    if answer.sent + answer.took < ending
                ]
                after = asking.between(healed + HEALED_SECONDS, time.monotonic())
                everything = asking.between(begun, time.monotonic())
                failed = [answer for answer in everything if answer.code is not OK]
                assert all(asking.excused(answer) for answer in failed), (name, failed)
                excused += len(failed)
                everything = [answer for answer in everything if answer.code is OK]
                assert all(answer.right for answer in everything), name
                assert noticed
                assert after
                if trouble.away:
                    assert all(answer.flagged for answer in noticed if answer.code is OK), name
                    late = [answer for answer in noticed if answer.took > deadline / 4]
                    calls += len(noticed)
                    wasted += len(late)
                assert not any(answer.flagged for answer in after), name
                slowest = max(slowest, *(answer.took for answer in everything))
                flagged = [one.sent for one in everything if one.flagged and one.sent >= healed]
                longest = max(longest, max(flagged, default=healed) - healed)

        scene.store.put_catalogue([Item(id="fresh", title="Fresh")])
        assert comes_true(
            lambda: (
                client.recommendations.Recommend(
                    recommend_request("anyone", count=1), timeout=10
                ).moment.catalogue_revision
                == scene.store.revision()
            ),
            2,
        ), "the catalogue is not followed any more"
    decided = {answer.decision_id for answer in asking.answers if answer.code is OK}
    assert comes_true(lambda: decided <= {kept.id for kept in scene.store.records(None)}, 10), (
        "decision records are missing"
    )
    written = [
        entry.statement for entry in scene.store.log(None) if "during" in str(entry.statement)
    ]
    assert len(written) == len(names)
    assert '"event": "fault"' not in scene.service.log.read_text()
    share = wasted / max(calls, 1)
    assert share <= WASTED
    proof(
        "B1",
        f"Recommend at a deadline of {deadline * 1000:.0f} ms with Redis, in turn: "
        f"{', '.join(names)}",
        f"{len(asking.answers):,} calls, none wrong, slowest {slowest * 1000:.0f} ms, {excused} "
        "late (while the server's health, which needs no store, was late too); normal again after "
        f"{longest:.2f} s; {share:.1%} of calls waited for a store that is away",
    )
    proof(
        "B1",
        "decision records and events over the outages; calls cancelled in flight (M8)",
        f"{len(decided):,} records and {len(written)} events stored, 0 missing; "
        f"{asking.cancelled} cancelled, no reply went astray",
    )
