"""The command `throughline health`, as a container's health check runs it."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service import cli
from tests.support.in_process import Running, running

pytestmark = pytest.mark.machine

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server without a release, whose log does not mix with what the command prints."""
    directory = tmp_path_factory.mktemp("health")
    with capture_logs(), running(directory, promoted=False) as started:
        yield started


@pytest.fixture
def health(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command against a port; returns its exit code, stdout and stderr."""

    def run(port: int, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["throughline", "health", *arguments])
        monkeypatch.setenv("THROUGHLINE_SERVER", f"127.0.0.1:{port}")
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def test_a_service_that_decides_is_healthy(health: Run, tmp_path: Path) -> None:
    """With a release in force the answer is SERVING and 0."""
    with capture_logs(), running(tmp_path) as live:
        assert health(live.server.port) == (0, "SERVING\n", "")


def test_a_service_without_a_release_is_not(health: Run, bare: Running) -> None:
    """Without a release the answer is one line that says so, and 69."""
    code, out, said = health(bare.server.port)
    assert (code, out) == (os.EX_UNAVAILABLE, "")
    server = f"127.0.0.1:{bare.server.port}"
    assert said == f"throughline: NOT_SERVING: {server} has no release in force, or is stopping\n"


def test_one_service_is_asked_by_its_name(health: Run, bare: Running) -> None:
    """What needs no release serves without one, what needs one does not."""
    ask = "--service", "throughline.v1.ReleaseService"
    assert health(bare.server.port, *ask) == (0, "SERVING\n", "")
    ask = "--service", "throughline.v1.RecommendationService"
    code, _, said = health(bare.server.port, *ask)
    assert code == os.EX_UNAVAILABLE
    assert said.startswith("throughline: NOT_SERVING: ")
    assert said.endswith(" does not serve throughline.v1.RecommendationService\n")


def test_a_service_that_is_not_there_is_named(health: Run, bare: Running) -> None:
    """A name that the server does not know is told with the name."""
    code, out, said = health(bare.server.port, "--service", "throughline.v1.None")
    assert (code, out) == (1, "")
    server = f"127.0.0.1:{bare.server.port}"
    assert said == f"throughline: NOT_FOUND: {server} has no service throughline.v1.None\n"


def test_nobody_there_is_unhealthy(health: Run) -> None:
    """Where nobody answers, that is one line, and 69."""
    code, out, said = health(1)
    assert (code, out) == (os.EX_UNAVAILABLE, "")
    assert said.startswith("throughline: UNAVAILABLE: no service answers at 127.0.0.1:1")
    assert said.count("\n") == 1
