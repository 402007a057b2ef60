"""Damaged releases and swaps, in a real server under load: it never loads one, and never stops.

`make test` does a few of each, `make prove` 1,000 damaged releases and 50 swaps.
"""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, cast

import grpc
import numpy as np
import pytest
from throughline.v1 import event_pb2, offer_pb2, recommendation_pb2, release_pb2

from models.release.registry import Entry, Registry
from service.client import Client
from tests.support.bad_content import consistent
from tests.support.damage import Damage, copied, golden_release, on_disk, random_on_disk
from tests.support.in_process import event, recommend_request
from tests.support.proof_table import Proof
from tests.support.server_processes import Served, served
from tests.support.small_release import write_small_release
from tests.support.waiting import joined

pytestmark = pytest.mark.machine

CUSTOMERS = tuple(f"c{number}" for number in range(20))
PACE = 0.01  # seconds between two calls of one thread
ASKING = 2  # threads

Slate = tuple[tuple[str, int], ...]


class Asked(NamedTuple):
    """One call: when it was due (monotonic s), how long after that it was answered, and how."""

    due: float
    seconds: float
    release: str
    customer: str
    slate: Slate


class Load:
    """Threads that ask for offers at a steady pace; lateness counts, so a stall is seen whole."""

    def __init__(self, port: int) -> None:
        self.asked: list[Asked] = []
        self.failed: list[str] = []
        self._port = port
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Ask all along."""
        threads = [
            threading.Thread(target=self._ask, args=(at,), daemon=True) for at in range(ASKING)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            joined(*threads)

    def _ask(self, start: int) -> None:
        with client_of(self._port) as client:
            due, at = time.monotonic(), start
            while not self._stop.is_set():
                customer = CUSTOMERS[at % len(CUSTOMERS)]
                try:
                    answer = ask(client, customer)
                except grpc.RpcError as error:
                    self.failed.append(str(error))
                else:
                    late = time.monotonic() - due
                    self.asked.append(
                        Asked(due, late, answer.moment.release, customer, slate(answer))
                    )
                at += ASKING
                due += PACE
                time.sleep(max(0.0, due - time.monotonic()))


@contextmanager
def client_of(port: int) -> Iterator[Client]:
    """Yield a client over a channel of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield Client(channel, "the proof's server", 60)


def ask(client: Client, customer: str) -> recommendation_pb2.RecommendResponse:
    """Ask for the offers of a customer."""
    return client.recommendations.Recommend(recommend_request(customer), timeout=10)


def slate(answer: recommendation_pb2.RecommendResponse) -> Slate:
    """Return the offers of an answer with their scores."""
    return tuple((offer.offer_id, offer.score) for offer in answer.offers)


def promote(client: Client, release: str) -> release_pb2.PromoteReleaseResponse:
    """Promote a release."""
    request = release_pb2.PromoteReleaseRequest(release_id=release)
    return client.releases.PromoteRelease(request, timeout=60)


@contextmanager
def serving(directory: Path, first: str, items: int) -> Iterator[tuple[Served, Client]]:
    """Yield a server with a release in force, a catalogue of `items` and customers with history."""
    Registry(directory / "var" / "registry").promote(first, 1)
    with served(directory) as server, client_of(server.port) as client:
        for start in range(0, items, 1000):
            rows = [
                offer_pb2.Item(item_id=f"item{number}")
                for number in range(start, min(start + 1000, items))
            ]
            client.offers.UpsertItems(offer_pb2.UpsertItemsRequest(items=rows), timeout=60)
        seen = [
            event(f"{customer}-{at}", customer, item_id=f"item{at * 7 % items}")
            for at, customer in enumerate(CUSTOMERS[1:], start=1)
        ]
        client.events.RecordEvents(event_pb2.RecordEventsRequest(events=seen), timeout=30)
        yield server, client


def damages(other: Path, count: int, looked_into: int) -> list[Damage]:
    """Return `count` ways to damage a release; `looked_into` of them have digests that are right.

    Each of the latter costs a child process; every one is tried without a server elsewhere.
    """
    plain, bad = list(on_disk(other)), list(consistent())
    chosen = bad[:: len(bad) // looked_into][:looked_into]
    chosen += plain[:: max(1, 3 * len(plain) // count)]
    return list(islice(chain(chosen, random_on_disk(1)), count))


def refusal(client: Client, registry: Registry, directory: Path) -> tuple[grpc.StatusCode, str]:
    """Enter a damaged release, try to promote it, and take it out again."""
    registry.add(Entry(release=directory.name, created=2))
    try:
        promote(client, directory.name)
    except grpc.RpcError as error:
        failed = cast(grpc.Call, error)
        return failed.code(), failed.details() or ""
    finally:
        shutil.rmtree(directory)
        (registry.directory / "entries" / f"{directory.name}.json").unlink()
    return grpc.StatusCode.OK, ""


@pytest.mark.parametrize(
    ("count", "looked_into"),
    [(30, 2), pytest.param(1_000, 30, marks=[pytest.mark.prove, pytest.mark.timeout(1200)])],
)
def test_no_damaged_release_is_loaded(
    tmp_path: Path, proof: Proof, count: int, looked_into: int
) -> None:
    """Each damaged release is refused with its file named; the old one answers all the while."""
    registry = Registry(tmp_path / "var" / "registry")
    good, other = golden_release(tmp_path / "made", 1), golden_release(tmp_path / "made", 2)
    first, _ = write_small_release(registry.directory)
    wrong = []
    with serving(tmp_path, first, 40) as (server, client):
        load = Load(server.port)
        with load.running():
            for damage in damages(other, count, looked_into):
                directory = damage.apply(copied(good, registry.directory))
                code, details = refusal(client, registry, directory)
                newer = grpc.StatusCode.FAILED_PRECONDITION
                expected = newer if damage.newer else grpc.StatusCode.INVALID_ARGUMENT
                if code != expected or not details.startswith(damage.names):
                    wrong.append((damage.kind, code, details))
        assert wrong == []
        assert load.failed == []
        assert {asked.release for asked in load.asked} == {first}
        copied(good, registry.directory)
        registry.add(Entry(release=good.name, created=3))
        assert promote(client, good.name).release_id == good.name
        assert server.running
        assert "fault" not in server.log.read_text()
    if count >= 1_000:
        proof(
            "M12, D2",
            f"{count:,} damaged releases promoted over gRPC",
            f"{count:,} refused with the file named, 0 loaded, 0 crashes; "
            f"{len(load.asked):,} answers meanwhile, all of the old release, 0 failed",
        )


@pytest.mark.parametrize(
    ("swaps", "items"),
    [
        (2, 200),
        pytest.param(50, 20_000, marks=[pytest.mark.prove, pytest.mark.timeout(1200)]),
    ],
)
def test_swaps_under_load(tmp_path: Path, proof: Proof, swaps: int, items: int) -> None:
    """While releases are swapped no call fails, and each answer is one release's own."""
    registry = Registry(tmp_path / "var" / "registry")
    releases = []
    for seed in (1, 2, 3):
        release, _ = write_small_release(registry.directory, items, seed)
        registry.add(Entry(release=release, created=seed))
        releases.append(release)
    with serving(tmp_path, releases[0], items) as (server, client):
        oracle: dict[tuple[str, str], Slate] = {}
        for release in (*releases[1:], releases[0]):
            promote(client, release)
            for customer in CUSTOMERS:
                oracle[release, customer] = slate(ask(client, customer))
        load = Load(server.port)
        windows: list[tuple[float, float]] = []
        with load.running():
            for number in range(1, swaps + 1):
                time.sleep(1)
                started = time.monotonic()
                promote(client, releases[number % 3])
                windows.append((started, time.monotonic()))
            time.sleep(1)
        assert server.running
    assert load.failed == []
    assert {asked.release for asked in load.asked} == set(releases[: swaps + 1])
    assert len({oracle[release, CUSTOMERS[0]] for release in releases}) == 3
    mixed = [one for one in load.asked if one.slate != oracle[one.release, one.customer]]
    assert mixed == []
    swapping, steady = split([(one.due, one.seconds) for one in load.asked], windows)
    figure = (
        f"{len(load.asked):,} answers, 0 failed, 0 mixed; p99 {percentile(swapping, 99)} ms in the "
        f"windows (longest {percentile(swapping, 100)} ms), {percentile(steady, 99)} ms outside "
        f"(longest {percentile(steady, 100)} ms); a swap takes "
        f"{np.mean([end - start for start, end in windows]):.1f} s"
    )
    print(figure)
    if swaps >= 50:
        proof("D1 (part)", f"{swaps} swaps over {items:,} items, 200 calls a second", figure)


def split(
    calls: list[tuple[float, float]], windows: list[tuple[float, float]]
) -> tuple[list[float], list[float]]:
    """Return the latencies (s) of calls that were due in a window, and of the others."""
    inside: list[float] = []
    outside: list[float] = []
    for due, seconds in calls:
        touched = any(start <= due + seconds and due <= end for start, end in windows)
        (inside if touched else outside).append(seconds)
    return inside, outside


def percentile(seconds: list[float], rank: int) -> str:
    """Return a percentile in milliseconds."""
    return f"{np.percentile(seconds, rank) * 1000:.0f}"
