"""Releases taken over while serving: promoted, rolled back, refused, and by other processes."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import msgspec
import pytest
from google.protobuf.message import Message
from throughline.v1 import release_pb2

from models.errors import BadRelease
from models.recommender.user_features import HistoryConfig
from models.release.golden import answer_golden
from models.release.manifest import Golden, GoldenEvent
from models.release.writer import write_release
from service.decisions.release_trial import try_release
from tests.support.damage import flip_a_bit
from tests.support.in_process import Running, enter_release, running
from tests.support.small_release import small_content, small_release, write_small_release
from tests.support.waiting import PATIENCE, eventually, joined

pytestmark = pytest.mark.machine


def promote(live: Running, release_id: str) -> release_pb2.PromoteReleaseResponse:
    """Promote over the wire."""
    request = release_pb2.PromoteReleaseRequest(release_id=release_id)
    return live.client.releases.PromoteRelease(request, timeout=PATIENCE)


def rollback(live: Running) -> release_pb2.RollbackReleaseResponse:
    """Roll back over the wire."""
    return live.client.releases.RollbackRelease(
        release_pb2.RollbackReleaseRequest(), timeout=PATIENCE
    )


def failure(call: Callable[[], Message]) -> tuple[grpc.StatusCode, str]:
    """Return code and details of a call that must fail."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value.code(), raised.value.details() or ""


def test_promote_and_rollback_while_serving(tmp_path: Path) -> None:
    """A swap costs no call: every answer meanwhile names the one release or the other."""
    with running(tmp_path) as live:
        first = live.server.dependencies.active_release.release_id
        second = enter_release(live.registry.directory, seed=2)
        seen: list[str] = []
        failed: list[grpc.RpcError] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                try:
                    seen.append(live.recommend("a", count=3).moment.release)
                except grpc.RpcError as error:
                    failed.append(error)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        try:
            promoted = promote(live, second[:8])
            assert (promoted.release_id, promoted.previous_release_id) == (second, first)
            assert live.recommend("a").moment.release == second
            back = rollback(live)
            assert (back.release_id, back.previous_release_id) == (first, second)
            assert live.recommend("a").moment.release == first
        finally:
            stop.set()
            joined(asking)
        assert failed == []
        assert set(seen) == {first, second}
        code, details = failure(lambda: rollback(live))
        assert (code, details) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "release: no previous release",
        )


def test_releases_are_listed_latest_first(tmp_path: Path) -> None:
    """The list tells which release decides and what each one is."""
    with running(tmp_path) as live:
        second = enter_release(live.registry.directory, seed=2)
        listed = live.client.releases.ListReleases(release_pb2.ListReleasesRequest()).releases
        assert listed[0].release_id == second
        assert [release.in_force for release in listed] == [False, True]
        assert [(release.label, release.items) for release in listed] == [("ORGANIC", 40)] * 2


def test_damaged_release_is_refused_and_the_next_is_not(tmp_path: Path) -> None:
    """A damaged release is refused with the file named, again and again; a good one follows."""
    with running(tmp_path) as live:
        first = live.server.dependencies.active_release.release_id
        bad = enter_release(live.registry.directory, seed=2)
        flip_a_bit(live.registry.path(bad), "item_vectors.npy")
        for _ in range(2):
            code, details = failure(lambda: promote(live, bad))
            assert code == grpc.StatusCode.INVALID_ARGUMENT
            assert details == "item_vectors.npy: digest mismatch"
            assert live.recommend("a").moment.release == first
        good = enter_release(live.registry.directory, seed=3)
        assert promote(live, good).previous_release_id == first
        assert live.recommend("a").moment.release == good


def test_pointer_moved_by_another_process_is_followed(tmp_path: Path) -> None:
    """A release put in force in the registry's directory serves soon after, without a call."""
    with running(tmp_path) as live:
        second = enter_release(live.registry.directory, seed=2)
        live.registry.promote(second, 2)
        assert eventually(lambda: live.recommend("a", count=1).moment.release == second)


def test_bad_release_named_by_the_pointer_is_not_served(tmp_path: Path) -> None:
    """A damaged release that the pointer names is refused, and the one that serves goes on."""
    with running(tmp_path) as live:
        first = live.server.dependencies.active_release.release_id
        bad = enter_release(live.registry.directory, seed=2)
        live.registry.promote(bad, 2)
        flip_a_bit(live.registry.path(bad), "vocabulary.json")
        assert eventually(lambda: live.refused == (bad, ""))
        assert live.recommend("a").moment.release == first
        live.registry.rollback(3)
        good = enter_release(live.registry.directory, seed=3)
        live.registry.promote(good, 4)
        assert eventually(lambda: live.recommend("a", count=1).moment.release == good)


def test_start_falls_back_to_the_last_good_release(tmp_path: Path) -> None:
    """A server that starts with a damaged release in force serves the one before it."""
    with running(tmp_path) as live:
        first = live.server.dependencies.active_release.release_id
        second = enter_release(live.registry.directory, seed=2)
        promote(live, second)
    flip_a_bit(live.registry.path(second), "popularity.npy")
    with running(tmp_path, rows=[]) as again:
        assert again.recommend("a").moment.release == first


def test_catalogue_changed_by_another_process_is_followed(tmp_path: Path) -> None:
    """A row written to the store by somebody else decides within a second."""
    with running(tmp_path) as live:
        before = live.recommend("a").moment.catalogue_revision
        rows = list(live.server.dependencies.active_release.snapshot.catalogue.items.values())[:1]
        live.server.dependencies.store.put_catalogue(rows)
        assert eventually(
            lambda: live.recommend("a", count=1).moment.catalogue_revision == before + 1, 1
        )


@pytest.mark.parametrize("attributes", [{"segment": "young"}, {}])
@pytest.mark.parametrize("history", [(), (GoldenEvent("view", "web", "item3", 0),)])
def test_trial_asks_the_golden_requests(
    tmp_path: Path, history: tuple[GoldenEvent, ...], attributes: dict[str, str]
) -> None:
    """A release passes its trial with the golden answers it was made with, and with no others."""
    content = small_content()
    expected = answer_golden(small_release(tmp_path / "plain"), history, attributes, 5)
    good = Golden(history=history, attributes=attributes, expected=expected)
    wrong = msgspec.structs.replace(good, expected=(expected[1], expected[0], *expected[2:]))
    manifest = {
        "label": "ORGANIC",
        "simulated": True,
        "data": {},
        "history": HistoryConfig(),
        "configuration": {},
        "versions": {},
        "metrics": (),
    }
    _, directory = write_release(tmp_path, content, (good,), **manifest)
    try_release(directory)
    _, directory = write_release(tmp_path, content, (good, wrong), **manifest)
    with pytest.raises(BadRelease, match=r"^golden.json: "):
        try_release(directory)


def test_trial_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    """A release whose trial takes too long is refused."""
    _, directory = write_small_release(tmp_path)
    with pytest.raises(BadRelease, match=r"^trial load: not done within 0.01 s$"):
        try_release(directory, timeout=0.01)


def test_a_trial_that_hangs_outlives_nobody_for_long() -> None:
    """A trial whose server was killed ends by itself."""
    program = (
        "import pathlib, time; from service.decisions import release_trial as trial;"
        "trial.TIMEOUT_SECONDS = 1; trial.load_release = lambda directory: time.sleep(3600);"
        "trial.main(pathlib.Path())"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=PATIENCE, check=False)
    assert done.returncode == -signal.SIGALRM


def test_a_trial_never_asks_for_more_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that runs at a low priority itself tries a release at the same, not a higher one."""
    _, directory = write_small_release(tmp_path)
    given: list[int] = []
    monkeypatch.setattr(os, "getpriority", lambda which, who: 15)
    monkeypatch.setattr(os, "setpriority", lambda which, who, priority: given.append(priority))
    try_release(directory)
    assert given == [15]
