"""Several worker processes: one server to whoever calls, starts or ends it."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from throughline.v1 import event_pb2, offer_pb2, release_pb2

from models.domain.dataset import read_metadata
from service.client import Client
from service.config.clock import Clock
from tests.support.channels import clients
from tests.support.damage import flip_a_bit
from tests.support.datasets import retailer, write_dataset
from tests.support.in_process import enter_release, event, recommend_request
from tests.support.server_processes import Served, gone, prepared, run_command, served
from tests.support.waiting import PATIENCE, Pool, eventually

pytestmark = pytest.mark.machine

CONNECTIONS = 16  # that none of them is of the other worker: once in 32,768


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server of this file runs."""
    made = tmp_path_factory.mktemp("workers")
    prepared(made)
    return made


@pytest.fixture(scope="module")
def live(directory: Path) -> Iterator[Served]:
    """One server of two workers, for the tests that leave it as it was."""
    (directory / "settings.toml").write_text("lame_duck_seconds = 0.2\n")
    with served(directory, "--config", "settings.toml", workers=2) as live:
        yield live


@pytest.fixture
def asking(live: Served) -> Iterator[list[Client]]:
    """Clients, of which each worker has some."""
    with clients(live.address, CONNECTIONS) as opened:
        assert len({worker_of(decision(client)) for client in opened}) == 2
        yield opened


def decision(client: Client, who: str = "L1") -> str:
    """Ask for offers and return the decision's id."""
    return client.call(client.recommendations.Recommend, recommend_request(who)).decision_id


def worker_of(decision_id: str) -> bytes:
    """Return the bytes of a decision's id that tell the process that made it."""
    return bytes.fromhex(decision_id)[10:14]


def release_of(client: Client) -> str:
    """Return the release that decides."""
    answer = client.call(client.recommendations.Recommend, recommend_request("L1"))
    return answer.moment.release


def test_both_workers_answer_and_no_decision_id_comes_twice(asking: list[Client]) -> None:
    """Connections spread over the workers, whose decisions all have ids of their own."""
    with Pool(len(asking)) as pool:
        ids = list(pool.map(decision, asking * 50))
    assert len(set(ids)) == 50 * len(asking)
    assert len({worker_of(one) for one in ids}) == 2


def test_the_parent_serves_nothing(live: Served) -> None:
    """The parent has neither gRPC nor a numerical library in it, and accepts no connection."""
    maps = Path(f"/proc/{live.pid}/maps").read_text()
    assert not any(name in maps for name in ("cygrpc", "numpy", "faiss"))
    assert "cygrpc" in Path(f"/proc/{live.workers()[0]}/maps").read_text()
    listening = [
        connection
        for connection in psutil.Process(live.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == []


def test_logs_tell_the_worker(live: Served) -> None:
    """All processes log to one stream; a worker's lines bear its number."""
    first, second = live.said("worker ready")[:2]
    (parent,) = live.said("ready")
    assert (first["worker"], second["worker"]) == (1, 2)
    assert parent["workers"] == 2
    assert first["port"] == second["port"] == parent["port"] == live.port


def test_what_one_worker_acknowledged_every_worker_sees(asking: list[Client]) -> None:
    """The decision after an event has it in, whichever worker took the one and made the other."""
    for number in range(40):
        here, there = asking[number % 8], asking[(number + 1 + number // 8) % 8]
        request = event_pb2.RecordEventsRequest(events=[event(f"seen{number}", "everywhere")])
        recorded = here.call(here.events.RecordEvents, request)
        assert recorded.results[0].outcome.code == 0
        answer = there.call(
            there.recommendations.Recommend, recommend_request("everywhere", count=1)
        )
        assert answer.moment.profile_version == number + 1


def test_a_promotion_at_one_worker_is_followed_by_the_others(
    directory: Path, asking: list[Client]
) -> None:
    """What is put in force by a call to one worker decides in every worker soon after."""
    first = release_of(asking[0])
    second = enter_release(directory / "var" / "registry", seed=2)
    for release in (second, first):
        request = release_pb2.PromoteReleaseRequest(release_id=release)
        # Its trial takes a while on a busy machine.
        asking[0].releases.PromoteRelease(request, timeout=PATIENCE)
        assert release_of(asking[0]) == release
        assert eventually(lambda: {release_of(one) for one in asking} == {release})  # noqa: B023


def test_a_catalogue_row_put_at_one_worker_is_followed_by_the_others(asking: list[Client]) -> None:
    """An offer that one worker stored is in the catalogue of every worker soon after."""
    offer = offer_pb2.Offer(offer_id="coupon:new", item_ids=["item1"])
    stored = asking[0].call(
        asking[0].offers.UpsertOffers, offer_pb2.UpsertOffersRequest(offers=[offer])
    )

    def revisions() -> set[int]:
        return {
            one.call(
                one.recommendations.Recommend, recommend_request("L1")
            ).moment.catalogue_revision
            for one in asking
        }

    assert eventually(lambda: revisions() == {stored.revision})


def test_load_and_export_work_beside_the_workers(
    directory: Path, live: Served, asking: list[Client]
) -> None:
    """History comes in and the log goes out in other processes while the workers serve."""
    write_dataset(directory / "retailer", retailer())
    with Pool(1) as pool:
        loading = pool.submit(run_command, directory, "load", "retailer")
        while not loading.done():
            decision(asking[0])
    assert loading.result().returncode == 0, loading.result().stderr
    assert run_command(directory, "log", "export", "--out", "exported").returncode == 0
    assert read_metadata(directory / "exported").rows["events"] >= 340


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_server_is_refused(live: Served, directory: Path, workers: str) -> None:
    """A second server with one or more workers gets neither the port nor the directory."""
    for options, code, told in (
        (("--listen", live.address, "--store", "sqlite:other"), 78, "listen: "),
        (("--listen", "127.0.0.1:0"), 69, "var/data: another server"),
    ):
        done = run_command(directory, "serve", "--workers", workers, *options)
        assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
        assert done.stderr.startswith(f"throughline: {told}")
    assert not (directory / "other").exists()


def test_a_worker_that_cannot_start_is_told_once(tmp_path: Path) -> None:
    """What only a worker finds wrong ends the server with one line and the worker's exit code."""
    prepared(tmp_path)
    pointer = tmp_path / "var" / "registry" / "pointer.json"
    pointer.write_text("{")
    done = run_command(tmp_path, "serve", "--workers", "3", "--listen", "127.0.0.1:0")
    assert (done.returncode, done.stderr.count("\n")) == (78, 1), done.stderr
    assert done.stderr.startswith("throughline: registry: ")


def test_workers_share_a_clock_that_is_set() -> None:
    """A worker that starts later shows the time of the others, not the time they began at."""
    parent = Clock(1_500_000_000_000_000)
    time.sleep(0.05)
    worker = Clock.shifted(parent.offset)
    assert worker.is_set
    assert worker.offset == parent.offset
    assert worker.now() >= 1_500_000_000_050_000
    assert not Clock.shifted(Clock().offset).is_set


# The rest ends processes of the one server, and at last the server.


def test_a_worker_that_dies_is_replaced(live: Served, asking: list[Client]) -> None:
    """After `kill -9` of a worker the others serve on, a new one comes, and the log tells."""
    before, begun = live.workers(), len(live.said("worker ready"))
    os.kill(before[0], signal.SIGKILL)
    assert eventually(lambda: len(live.said("worker ready")) > begun)
    after = live.workers()
    assert len(after) == 2
    assert set(before) & set(after) == {before[1]}
    (ended,) = live.said("worker ended")
    assert (ended["signal"], ended["again_in"]) == ("SIGKILL", 0.25)
    assert all(decision(client) for client in asking)


def test_sighup_replaces_every_worker(directory: Path, live: Served) -> None:
    """SIGHUP: new workers take over one by one.

    Wrong settings change nothing, nor does a release that those who serve have, and new ones cannot
    load.
    """
    before = live.workers()
    settings = directory / "settings.toml"
    refused = "settings refused; no worker is replaced"
    for refusals, wrong in enumerate(('lisen = "x"\n', 'store = "sqlite:elsewhere"\n'), 1):
        settings.write_text(wrong)
        live.send(signal.SIGHUP)
        assert eventually(lambda: len(live.said(refused)) == refusals)  # noqa: B023
    settings.write_text("")
    vectors = sorted((directory / "var" / "registry").glob("*/item_vectors.npy"))
    for path in vectors:
        flip_a_bit(path.parent, path.name)
    live.send(signal.SIGHUP)
    assert eventually(lambda: live.said("no new worker; the old ones stay"))
    for path in vectors:  # the same bit again
        flip_a_bit(path.parent, path.name)
    assert live.workers() == before
    settings.write_text("lame_duck_seconds = 0.1\n")
    begun = len(live.said("worker ready"))
    live.send(signal.SIGHUP)
    with Pool(1) as pool:
        asking = pool.submit(keep_asking, live)
        assert eventually(lambda: live.said("replaced every worker"))
    assert asking.result() > 0
    after = live.workers()
    assert len(after) == 2
    assert not set(before) & set(after)
    # One after the other, each new one ready before the old one leaves.
    ready = {line["worker"]: line["timestamp"] for line in live.said("worker ready")[begun:]}
    left = {line["worker"]: line["timestamp"] for line in live.said("leaving")}
    assert ready[1] < left[1] < ready[2] < left[2]
    assert [line["seconds"] for line in live.said("leaving")] == [0.2, 0.2]


def keep_asking(live: Served) -> int:
    """Call over new connections until every worker is replaced; return how often."""
    asked = 0
    while not live.said("replaced every worker"):
        with clients(live.address, 1) as (client,):
            decision(client)
        asked += 1
    return asked


def test_without_their_parent_workers_end(directory: Path, live: Served) -> None:
    """After `kill -9` of the parent the workers end, and the next server has port and directory.

    And SIGTERM ends that one in order: every worker drains, and no process and no file is left.
    """
    workers = live.workers()
    live.kill()
    assert eventually(lambda: gone(workers))
    with served(directory, "--listen", live.address, workers=2, log="next.log") as following:
        assert following.port == live.port
        workers = following.workers()
        figures = Path(psutil.Process(workers[0]).environ()["PROMETHEUS_MULTIPROC_DIR"])
        assert figures.is_dir()
        assert following.stop() == 0
        assert gone(workers)
        assert not figures.exists()
        stopped = [line.get("worker") for line in following.said("stopped")]
        assert stopped in ([1, 2, None], [2, 1, None])
