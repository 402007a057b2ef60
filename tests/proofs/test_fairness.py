"""The long proof of fairness: Recommend beside ten times what can be answered of another kind.

A server on one core, those who call it on another. What it can answer of Recommend alone is found
first; half of that is then offered, whatever becomes of it, with a deadline, while the other kind
is offered as well. What counts is goodput: the share answered within the deadline.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from throughline.v1 import event_pb2
from throughline.v1 import recommendation_pb2 as pb

from bench import processes, world
from bench.rounds import requests_of
from service.server_process import ServerProcess
from tests.support.in_process import event
from tests.support.open_load import Load, Offered, offer_from, offered_beside
from tests.support.proof_table import LONG, Proof

pytestmark = [*LONG, pytest.mark.machine]

OFFERS = 5_000
SECONDS = float(os.environ.get("FAIRNESS_SECONDS", "10"))  # of each measurement
DEADLINE = 0.1  # of a Recommend
KEPT = 0.95  # of the goodput alone
NOISE = 0.98  # the goodput alone below which the machine is too noisy to say
HEALTHY = 0.1  # seconds that the health may take, for all but one in a hundred checks
TIMES = 10
RECOMMEND = "RecommendationService/Recommend"


class Scene(NamedTuple):
    """A server, who asks it, and how many Recommends a second it can answer."""

    server: ServerProcess
    requests: list[bytes]
    core: int  # of those who ask
    capacity: float

    def half(self) -> Offered:
        """Offer half of what it can answer."""
        load = Load(RECOMMEND, self.requests, self.capacity / 2, DEADLINE)
        return offer_from(self.core, self.server.address, load, SECONDS)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Yield a server on one core, with SQLite."""
    core, other = processes.cores()
    if core == other:
        pytest.skip("NOT TESTED: two cores needed, one for those who call")
    directory = tmp_path_factory.mktemp("fairness")
    made = world.make_world(OFFERS)
    world.enter_release(made, directory / "registry")
    store = f"sqlite:{directory / 'data'}"
    world.fill(store, made)
    clock = datetime.fromtimestamp(world.MOSTLY / 1e6, UTC).isoformat()
    server = ServerProcess(
        directory / "serve.log",
        *("--store", store, "--registry", str(directory / "registry"), "--clock", clock),
        *("--metrics-listen", "127.0.0.1:0"),
        environment={**os.environ, **processes.ONE_THREAD, "THROUGHLINE_KEY": world.KEY.hex()},
        under=("taskset", "--cpu-list", str(core)),
        start_seconds=processes.START_SECONDS,
    )
    requests = requests_of(made.customers)
    with server:
        offer_from(other, server.address, Load(RECOMMEND, requests, 0, 30, 8), 2)  # a warm-up
        alone = offer_from(other, server.address, Load(RECOMMEND, requests, 0, 30, 8), SECONDS)
        yield Scene(server, requests, other, len(alone.took) / alone.seconds)


def events(scene: Scene) -> Load:
    """Return calls of a hundred events each, of everybody about everything."""
    when = datetime.fromtimestamp(world.MOSTLY / 1e6, UTC)
    calls = []
    for number in range(200):
        made = [
            event(
                uuid.uuid4().hex,
                f"C{(number * 100 + at) % world.CUSTOMERS:05d}",
                item_id=f"item-{(number * 100 + at) % OFFERS:06d}",
            )
            for at in range(100)
        ]
        for one in made:
            one.time.FromDatetime(when)
        calls.append(event_pb2.RecordEventsRequest(events=made).SerializeToString())
    return Load("EventService/RecordEvents", calls, 0, 60, 16)


def batches(scene: Scene) -> Load:
    """Return batches of two hundred customers."""
    asked = [pb.RecommendRequest.FromString(one) for one in scene.requests]
    calls = [
        pb.RecommendBatchRequest(requests=asked[start : start + 200]).SerializeToString()
        for start in range(0, len(asked), 200)
    ]
    return Load("RecommendationService/RecommendBatch", calls, 0, 60, 2)


def explanations(scene: Scene) -> Load:
    """Return questions about the offer of a decision that needs the most tries."""
    with grpc.insecure_channel(scene.server.address) as channel:
        call: Any = channel.unary_unary(f"/throughline.v1.{RECOMMEND}")
        answer = pb.RecommendResponse.FromString(call(scene.requests[0], timeout=10))
    asked = pb.ExplainDecisionRequest(decision_id=answer.decision_id, offer_id="item:item-000001")
    return Load("RecommendationService/ExplainDecision", [asked.SerializeToString()], 0, 60, 2)


@contextmanager
def called_ten_times(scene: Scene, load: Load) -> Iterator[str]:
    """Offer ten times as much as can be answered; yield how much that is."""
    alone = offer_from(scene.core, scene.server.address, load, SECONDS)
    answered = len(alone.took) / alone.seconds
    beside = load._replace(rate=TIMES * answered, deadline=2.0)
    with offered_beside(scene.server.address, beside, scene.core):
        time.sleep(2)  # so that its queue is full
        yield f"{TIMES} x {answered:.0f} calls/s"


@contextmanager
def reflection_streams(scene: Scene) -> Iterator[str]:
    """Open streams of reflection and leave them open."""
    left = threading.Event()

    def asks_and_stays() -> Iterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        left.wait(600)

    with grpc.insecure_channel(scene.server.address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        streams = [stub.ServerReflectionInfo(asks_and_stays()) for _ in range(80)]
        yield f"{len(streams)} open"
        left.set()
        for stream in streams:
            stream.cancel()


@contextmanager
def idle_connections(scene: Scene) -> Iterator[str]:
    """Open connections and say nothing; who is closed comes again."""
    with ExitStack() as opened:
        for _ in range(900):
            idle = socket.create_connection(("127.0.0.1", scene.server.port), 10)
            opened.callback(idle.close)
        yield "900"


@contextmanager
def scrapes(scene: Scene) -> Iterator[str]:
    """Ask for the metrics all the time, over many connections, most of which never end asking."""
    port = int(scene.server.said("metrics")[-1]["port"])
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            with socket.create_connection(("127.0.0.1", port), 10) as asking:
                asking.settimeout(1)
                try:
                    asking.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
                    while asking.recv(1 << 20):
                        pass
                except OSError:
                    time.sleep(0.01)

    with ExitStack() as opened:
        for _ in range(400):
            slow = socket.create_connection(("127.0.0.1", port), 10)
            opened.callback(slow.close)
            slow.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        threads = [threading.Thread(target=ask) for _ in range(10)]
        for thread in threads:
            thread.start()
        yield "400 slow ones, and 10 that ask without end"
        ended.set()
        for thread in threads:
            thread.join()


@contextmanager
def health_watched(scene: Scene) -> Iterator[list[float]]:
    """Ask for the health twenty times a second; yield the seconds that each took."""
    took: list[float] = []
    ended = threading.Event()

    def ask() -> None:
        with grpc.insecure_channel(scene.server.address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            while not ended.wait(0.05):
                begun = time.monotonic()
                stub.Check(health_pb2.HealthCheckRequest(), timeout=30)
                took.append(time.monotonic() - begun)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()


KINDS: dict[str, Callable[[Scene], AbstractContextManager[str]]] = {
    "events": lambda scene: called_ten_times(scene, events(scene)),
    "batches": lambda scene: called_ten_times(scene, batches(scene)),
    "explanations": lambda scene: called_ten_times(scene, explanations(scene)),
    "reflection streams": reflection_streams,
    "idle connections": idle_connections,
    "scrapes": scrapes,
}


@pytest.mark.parametrize("kind", KINDS)
def test_recommend_keeps_its_goodput(scene: Scene, kind: str, proof: Proof) -> None:
    """Beside ten times the capacity of another kind, Recommend keeps 95 % of its goodput."""
    alone = scene.half()
    before = alone.good(DEADLINE) / alone.sent
    if before < NOISE:
        pytest.skip(f"NOT TESTED: too noisy to say, the goodput alone is {before:.1%}")
    with KINDS[kind](scene) as offered, health_watched(scene) as health:
        beside = scene.half()
    after = beside.good(DEADLINE) / beside.sent
    slow = sorted(health)[int(len(health) * 0.99)]
    figure = (
        f"{scene.capacity / 2:.0f} Recommends/s: goodput alone {before:.1%}, p99 "
        f"{alone.quantile(0.99) * 1000:.0f} ms; beside {offered}: {after:.1%}, p99 "
        f"{beside.quantile(0.99) * 1000:.0f} ms; health p99 {slow * 1000:.0f} ms"
    )
    print(f"{kind}: {figure}")
    assert after >= KEPT * before, f"{figure}; {dict(beside.codes)}"
    assert slow <= HEALTHY, figure
    proof("fairness", f"half of the capacity beside {kind}, on one core", figure)
