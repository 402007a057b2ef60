"""Releases that must not be promoted, over the wire: what each case must be told.

| input | answer |
|---|---|
| an id that is too short, unknown, or no id | INVALID_ARGUMENT |
| a damaged file, bad content | INVALID_ARGUMENT with the file |
| a format of a later version | FAILED_PRECONDITION with the newest format that is understood |
| a release that cannot decide | INVALID_ARGUMENT with a reference to the log |
| two loads at once | ABORTED for the second |
| rollback with nothing before | FAILED_PRECONDITION |
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from throughline.v1 import release_pb2

from models.release.histories import Pointer
from models.release.manifest import FORMAT
from models.release.registry import Entry
from service.decisions import preparation
from service.decisions.release_trial import try_release
from tests.support.bad_content import rehashed
from tests.support.damage import copied, golden_release
from tests.support.in_process import Running, enter_release, running
from tests.support.refusals import INVALID, Refusal, refused, wrong
from tests.support.waiting import PATIENCE, eventually, joined

pytestmark = pytest.mark.machine

PROMOTE, ROLLBACK = "ReleaseService/PromoteRelease", "ReleaseService/RollbackRelease"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Running]:
    """A server of each test alone."""
    with running(tmp_path) as started:
        yield started


def named(release_id: str) -> release_pb2.PromoteReleaseRequest:
    """Return the request to promote a release."""
    return release_pb2.PromoteReleaseRequest(release_id=release_id)


def entered(live: Running, directory: Path) -> release_pb2.PromoteReleaseRequest:
    """Enter a release that stands in the registry, and return the request to promote it."""
    live.registry.add(Entry(release=directory.name, created=9))
    return named(directory.name)


def bad_release(details: str) -> Refusal:
    """Return the refusal of a damaged release."""
    return Refusal(INVALID, details, "BAD_RELEASE", frozenset(), 0)


def test_no_such_release(live: Running) -> None:
    """An id that is too short, that the registry does not have, or that is none, is refused."""
    for text, reason in (
        ("", "required"),
        ("abc", "too short; min 8"),
        ("0" * 64, "not in the registry"),
        ("../../../etc/passwd", "want 8 or more hex digits of a release's id"),
        ("0" * 300, "too long; max 256"),
    ):
        assert refused(live, PROMOTE, named(text)) == wrong(f"release_id: {reason}")


def test_damaged_and_newer_releases(live: Running, tmp_path: Path) -> None:
    """Damage is INVALID_ARGUMENT, a newer format FAILED_PRECONDITION, and a good one follows."""
    registry = live.registry.directory
    good = golden_release(tmp_path / "made", 5)
    first = live.server.dependencies.active_release.release_id
    newer = rehashed(copied(good, registry), lambda told: told.update(format=7))
    assert refused(live, PROMOTE, entered(live, newer)) == Refusal(
        grpc.StatusCode.FAILED_PRECONDITION,
        f"manifest.json: format 7 not supported; max {FORMAT}",
        "RELEASE_TOO_NEW",
        frozenset(),
        0,
    )
    copy = copied(good, registry)
    (copy / "item_weights.npy").write_bytes(b"x")
    told = refused(live, PROMOTE, entered(live, copy))
    assert told == bad_release("item_weights.npy: size mismatch")
    golden = copied(good, registry)
    text = (golden / "golden.json").read_bytes()
    (golden / "golden.json").write_bytes(text.replace(b'"item3"', b'"item4"', 1))
    told = refused(live, PROMOTE, entered(live, rehashed(golden)))
    assert told == bad_release("golden.json: a golden request is answered otherwise")
    assert live.recommend("a").moment.release == first
    promoted = live.client.releases.PromoteRelease(entered(live, copied(good, registry)))
    assert promoted.previous_release_id == first


def test_release_that_cannot_decide(live: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release with which nothing can be decided is refused, and tried once, not for ever."""
    calls: list[object] = []

    def fail(*arguments: object) -> None:
        calls.append(arguments)
        raise KeyError("canary-4711")

    first = live.server.dependencies.active_release.release_id
    second = enter_release(live.registry.directory, seed=2)
    monkeypatch.setattr(preparation, "_warm", fail)
    told = refused(live, PROMOTE, named(second))
    assert (told.code, told.reason) == (INVALID, "BAD_RELEASE")
    assert told.details.startswith("release: cannot decide; ref=")
    assert live.recommend("a").moment.release == first
    live.registry.promote(second, 2)
    assert eventually(lambda: live.refused == (second, ""))
    for _ in range(3):
        live.server.dependencies.active_release.follow_release()
    assert len(calls) == 2


def test_two_loads_at_once(live: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a release is loaded, a second promotion or a rollback is ABORTED at once."""
    second = enter_release(live.registry.directory, seed=2)
    loading, leave = threading.Event(), threading.Event()

    def wait(directory: Path) -> None:
        loading.set()
        leave.wait(PATIENCE)
        try_release(directory)

    monkeypatch.setattr(preparation, "try_release", wait)
    first = live.client.releases.PromoteRelease.future(named(second), timeout=PATIENCE)
    assert loading.wait(PATIENCE)
    expected = Refusal(
        grpc.StatusCode.ABORTED, "model: load in progress", "LOAD_IN_PROGRESS", frozenset(), 0
    )
    assert refused(live, PROMOTE, named(second)) == expected
    assert refused(live, ROLLBACK, b"") == expected
    assert live.recommend("a").offers
    leave.set()
    assert first.result().release_id == second
    assert live.client.releases.PromoteRelease(named(second)).release_id == second


def test_a_look_at_the_pointer_is_no_load(live: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the server only looks whether the pointer was moved, nobody is turned away."""
    runtime = live.server.dependencies.active_release
    second = enter_release(live.registry.directory, seed=2)
    looking, leave = threading.Event(), threading.Event()
    pointer = runtime.registry.pointer

    def slowly() -> Pointer:
        if threading.current_thread() is follower:
            looking.set()
            leave.wait(PATIENCE)
        return pointer()

    follower = threading.Thread(target=runtime.follow_release, daemon=True)
    monkeypatch.setattr(runtime.registry, "pointer", slowly)
    follower.start()
    try:
        assert looking.wait(PATIENCE)
        assert live.client.releases.PromoteRelease(named(second)).release_id == second
    finally:
        leave.set()
        joined(follower)


def test_nothing_to_roll_back_to(live: Running) -> None:
    """Without a release before this one there is nothing to roll back to."""
    assert refused(live, ROLLBACK, b"") == Refusal(
        grpc.StatusCode.FAILED_PRECONDITION,
        "release: no previous release",
        "NOTHING_TO_ROLL_BACK",
        frozenset(),
        0,
    )
