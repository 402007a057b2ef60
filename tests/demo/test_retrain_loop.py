"""The loop: load, serve, record, export, retrain on it, promote while serving, roll back."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import grpc
import pytest
from throughline.v1 import event_pb2, release_pb2

from demo.children import served
from service.client import Client
from tests.support.in_process import event, recommend_request
from tests.support.waiting import joined

pytestmark = pytest.mark.machine

pytest.importorskip("lightfm", reason="needs the extra `train`")


def throughline(*arguments: str) -> str:
    """Run a command to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "service.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def train(dataset: Path, registry: Path) -> str:
    """Train quickly on a dataset and return the release's id."""
    before = {path.name for path in registry.glob("*")}
    quick = dataset / "quick.toml"
    quick.write_text("[stage_one]\nepochs = 2\ndimensions = 16\n[default.ranker]\ntrees = 10\n")
    throughline("train", str(dataset), "--registry", str(registry), "--config", str(quick))
    made = {path.name for path in registry.glob("*")} - before
    return next(name for name in made if len(name) == 64)


def rows_of(dataset: Path) -> dict[str, int]:
    """Return how many rows the tables of a dataset have."""
    counts: dict[str, int] = json.loads((dataset / "dataset.json").read_text())["rows"]
    return counts


def many_events(count: int) -> Sequence[event_pb2.Event]:
    """Return views and purchases of ten customers."""
    kinds = ("view", "purchase")
    return [
        event(f"loop{at}", f"LOOP{at % 10}", kinds[at % 2], item_id=f"only-live-{at % 50}")
        for at in range(count)
    ]


def test_the_loop_closes_without_a_failed_call(tmp_path: Path) -> None:
    """A release trained on the export has seen what was recorded, and takes over under load."""
    shop, registry, store = tmp_path / "shop", tmp_path / "registry", f"sqlite:{tmp_path / 'data'}"
    throughline("simulate", "--out", str(shop), "--customers", "80", "--items", "60")
    first = train(shop, registry)
    throughline("releases", "promote", first, "--registry", str(registry))
    throughline("load", str(shop), "--store", store)
    options = ("--store", store, "--registry", str(registry), "--listen", "127.0.0.1:0")
    with (
        served(options, tmp_path / "serve.log") as address,
        grpc.insecure_channel(address) as channel,
    ):
        client = Client(channel, "the test's server", 30)
        sent = many_events(1000)
        answer = client.events.RecordEvents(event_pb2.RecordEventsRequest(events=sent), timeout=30)
        assert {result.outcome.code for result in answer.results} == {0}
        throughline("log", "export", "--store", store, "--out", str(tmp_path / "export"))
        assert rows_of(tmp_path / "export")["events"] == rows_of(shop)["events"] + 1000
        second = train(tmp_path / "export", registry)
        assert second != first

        stop, served_by, failed = threading.Event(), set[str](), list[grpc.RpcError]()
        request = recommend_request("LOOP1")

        def ask() -> None:
            while not stop.is_set():
                try:
                    got = client.recommendations.Recommend(recommend_request("LOOP1"), timeout=5)
                    served_by.add(got.moment.release)
                except grpc.RpcError as error:
                    failed.append(error)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        try:
            promote = release_pb2.PromoteReleaseRequest(release_id=second)
            assert client.releases.PromoteRelease(promote, timeout=60).release_id == second
            after = client.recommendations.Recommend(request, timeout=5)
            assert after.moment.release == second
            back = client.releases.RollbackRelease(release_pb2.RollbackReleaseRequest(), timeout=60)
            assert back.release_id == first
        finally:
            stop.set()
        joined(asking)
        assert not failed
        assert served_by == {first, second}
    vocabulary = json.loads((registry / second / "vocabulary.json").read_text())
    assert "only-live-1" in vocabulary["items"]
