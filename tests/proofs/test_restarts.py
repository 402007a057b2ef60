"""The proofs of G1 and D7: restarts lose no call, and a kill never leaves half a release."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from throughline.v1 import event_pb2, release_pb2
from throughline.v1.recommendation_pb2 import ContextItem

from models.release.registry import Registry
from service.client import Client
from service.server.port import reserved_port
from tests.support.channels import clients
from tests.support.in_process import enter_release, event, recommend_request, running
from tests.support.proof_table import Proof
from tests.support.redis_server import RedisServer
from tests.support.server_processes import Served, prepared, served
from tests.support.waiting import Pool, eventually, joined

pytestmark = pytest.mark.machine

PAUSE = 0.05  # seconds between the calls of one client
KEY = "ab" * 32


@dataclass
class Load:
    """What clients did: calls, those that failed by their status, and stored events by customer."""

    calls: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    stored: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0

    def add(self, other: "Load") -> None:
        """Add what another client did."""
        self.calls += other.calls
        self.failed += other.failed
        self.stored += other.stored
        self.longest = max(self.longest, other.longest)


def call_on(name: str, client: Client, stop: threading.Event) -> Load:
    """Record an event, decide, pause, and again until told to stop."""
    load = Load()
    while not stop.is_set():
        said = event(f"{name}:{load.calls}", name)
        recorded = event_pb2.RecordEventsRequest(events=[said])
        calls: tuple[Callable[[], object], ...] = (
            lambda: client.events.RecordEvents(recorded, timeout=10),  # noqa: B023
            lambda: client.recommendations.Recommend(recommend_request(name), timeout=10),
        )
        for number, call in enumerate(calls):
            load.calls += 1
            started = time.monotonic()
            try:
                call()
            except grpc.RpcError as error:
                load.failed[f"{error.code().name}: {error.details()}"] += 1
            else:
                load.stored[name] += number == 0
            load.longest = max(load.longest, time.monotonic() - started)
        stop.wait(PAUSE)
    return load


@contextmanager
def under_load(target: str, each: int = 4) -> Iterator[tuple[Load, Load]]:
    """Yield the loads of clients that retry and of clients that do not; filled in at the end."""
    stop, retrying, plain = threading.Event(), Load(), Load()
    with (
        clients(target, each) as some,
        clients(target, each, retries=False) as others,
        Pool(2 * each) as pool,
    ):
        named = [(f"r{n}", one) for n, one in enumerate(some)]
        named += [(f"p{n}", one) for n, one in enumerate(others)]
        running_ = [pool.submit(call_on, name, client, stop) for name, client in named]
        try:
            yield retrying, plain
        finally:
            stop.set()
        for (name, _), done in zip(named, running_, strict=True):
            (retrying if name.startswith("r") else plain).add(done.result())


def stored_once(client: Client, load: Load) -> bool:
    """Tell whether each customer's profile has exactly the acknowledged events, one write each."""
    versions = {
        name: client.recommendations.Recommend(recommend_request(name)).moment.profile_version
        for name in load.stored
    }
    return versions == load.stored


def share(load: Load) -> str:
    """Tell how many of the calls failed."""
    failed = sum(load.failed.values())
    kinds = ", ".join(f"{count} x {kind}" for kind, count in load.failed.items())
    return f"{failed} of {load.calls:,} ({failed / load.calls:.3%})" + (
        f": {kinds}" if kinds else ""
    )


@pytest.mark.prove
@pytest.mark.timeout(3000)
def test_rolling_restarts_lose_no_call(tmp_path: Path, proof: Proof) -> None:
    """Twenty rolling restarts of two workers under load: a client that retries sees no failure."""
    rounds = 20
    prepared(tmp_path)
    with served(tmp_path, workers=2) as live:
        pids = set(live.workers())
        with under_load(live.address) as (retrying, plain):
            for number in range(1, rounds + 1):
                live.send(signal.SIGHUP)
                assert eventually(
                    lambda: len(live.said("replaced every worker")) == number,  # noqa: B023
                    300,
                )
                pids |= set(live.workers())
        assert len(pids) == 2 * rounds + 2
        assert live.said("worker ended") == []
        assert retrying.failed == {}
        with clients(live.address, 1) as (client,):
            assert stored_once(client, retrying)
        assert live.stop() == 0
    proof(
        "G1",
        f"{rounds} rolling restarts (SIGHUP) of 2 workers under load of 8 clients",
        f"failed with retries: {share(retrying)}, longest {retrying.longest:.2f} s; "
        f"without: {share(plain)}",
    )


@pytest.mark.prove
@pytest.mark.timeout(3000)
def test_instances_restarted_in_turn_lose_no_call(
    tmp_path: Path, own_redis: RedisServer, proof: Proof
) -> None:
    """Two instances over one Redis, ended by SIGTERM in turn: a client of both sees no failure."""
    rounds = 10
    options = ("--store", own_redis.url, "--key-file", str(tmp_path / "key"))
    (tmp_path / "key").write_text(KEY)
    places = [tmp_path / name for name in ("a", "b")]
    ports = []
    for place in places:
        place.mkdir()
        prepared(place)
        with reserved_port("127.0.0.1:0") as port:
            ports.append(port)
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)

    with ExitStack() as first, ExitStack() as second:
        up = (first, second)

        def start(number: int) -> Served:
            where = ("--listen", f"127.0.0.1:{ports[number]}")
            return up[number].enter_context(served(places[number], *where, *options))

        live = [start(0), start(1)]
        with under_load(target) as (retrying, plain):
            for _ in range(rounds):
                for number in (0, 1):
                    assert live[number].stop() == 0
                    up[number].close()
                    live[number] = start(number)
        assert retrying.failed == {}
        with clients(target, 1) as (client,):
            assert stored_once(client, retrying)
    proof(
        "G1",
        f"{2 * rounds} restarts (SIGTERM) of 2 instances over Redis under load of 8 clients",
        f"failed with retries: {share(retrying)}, longest {retrying.longest:.2f} s; "
        f"without: {share(plain)}",
    )


CONTEXT = [ContextItem(item_id="item3"), ContextItem(item_id="item8")]


def answered(client: Client) -> tuple[str, list[str]]:
    """Return the release of an answer, and its offers: those that this release ranks first."""
    request = recommend_request("nobody", count=20, context_items=CONTEXT)
    answer = client.recommendations.Recommend(request, timeout=10)
    return answer.moment.release, [shown.offer_id for shown in answer.offers]


def make_releases(directory: Path) -> dict[str, list[str]]:
    """Make a store and a registry of three releases; return the offers that each one gives."""
    offers = {}
    with running(directory) as live:
        for seed in (1, 2, 3):
            release = enter_release(live.registry.directory, seed=seed)
            request = release_pb2.PromoteReleaseRequest(release_id=release)
            live.client.call(live.client.releases.PromoteRelease, request)
            served_by, offers[release] = answered(live.client)
            assert served_by == release
    assert len(set(map(tuple, offers.values()))) == 3
    return offers


def promote(directory: Path, client: Client, release: str, over_grpc: bool) -> None:
    """Put a release in force, as far as the server that is asked lives long enough."""
    if not over_grpc:
        Registry(directory / "registry").promote(release, time.time_ns() // 1000)
        return
    request = release_pb2.PromoteReleaseRequest(release_id=release)
    with suppress(grpc.RpcError):  # of a server that was killed; the next start tells
        client.releases.PromoteRelease(request, timeout=60)


def kill_during_swaps(directory: Path, kills: int, seed: int) -> Counter[str]:
    """Kill a server in the middle of promotions; return how often it was old or new afterwards."""
    directory.mkdir()
    offers = make_releases(directory)
    chance = random.Random(seed)
    options = ("--store", "sqlite:data", "--registry", "registry")
    found: Counter[str] = Counter()
    swap = 3.0  # seconds that one takes, as measured below
    old = new = Registry(directory / "registry").pointer().release
    for number in range(kills + 1):
        with served(directory, *options) as live, clients(live.address, 1) as (client,):
            release, shown = answered(client)
            assert release in {old, new}
            assert shown == offers[release]
            found["new" if release == new else "old"] += number > 0
            if number == kills:
                break
            old, new = release, chance.choice([other for other in offers if other != release])
            began = time.monotonic()
            over_grpc = number % 2 == 0
            promoting = threading.Thread(
                target=promote, args=(directory, client, new, over_grpc), daemon=True
            )
            promoting.start()
            end = began + chance.uniform(0, swap)
            while time.monotonic() < end:
                release, shown = answered(client)
                assert release in {old, new}
                assert shown == offers[release]
                if release == new:
                    swap = 1.2 * (time.monotonic() - began)
                    break
            live.kill()
            joined(promoting)
    return found


@pytest.mark.parametrize(
    "kills", [2, pytest.param(200, marks=[pytest.mark.prove, pytest.mark.timeout(3000)])]
)
def test_a_kill_during_a_swap_leaves_a_whole_release(
    tmp_path: Path, proof: Proof, kills: int
) -> None:
    """After `kill -9` amid a promotion the next start serves the old or the new release, whole."""
    lanes = 1 if kills < 10 else 2
    with Pool(lanes) as pool:
        done = [
            pool.submit(kill_during_swaps, tmp_path / str(lane), kills // lanes, lane)
            for lane in range(lanes)
        ]
        found = sum((one.result() for one in done), Counter[str]())
    assert found["old"] + found["new"] == kills
    if kills >= 200:
        assert min(found["old"], found["new"]) >= kills // 10, "the kills were not amid the swaps"
        proof(
            "D7",
            f"{kills} x kill -9 at a random moment of a promotion, by registry and over gRPC",
            f"served afterwards: old {found['old']}, new {found['new']}, none or a mix 0",
        )
