"""A command that meets a full disk says so in one line, by its exit code, and leaves nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.datasets import retailer, write_dataset
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.machine

CANNOT_WRITE, NO_SERVICE = os.EX_CANTCREAT, os.EX_UNAVAILABLE
POLICY = ROOT / "examples" / "policies" / "retail.toml"


def run(room: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command whose files may not grow beyond `room` bytes: what a full disk looks like.

    The limit is set by a program of its own: code of this process between fork and exec would run
    beside the threads of gRPC, which such a child cannot bear.
    """
    limited = ["prlimit", f"--fsize={room}", sys.executable]
    return subprocess.run(
        [*limited, "-m", "service.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def told(done: subprocess.CompletedProcess[str], code: int, place: Path) -> None:
    """Hold what a command said to one line that names the place, and its exit code."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"throughline: {place}"), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["serve", "load"])
@pytest.mark.parametrize(("room", "code"), [(0, CANNOT_WRITE), (4_096, NO_SERVICE)])
def test_a_first_start_on_a_full_disk(tmp_path: Path, command: str, room: int, code: int) -> None:
    """A store that cannot be made is told by its file, whichever is the first without room."""
    store = tmp_path / "store"
    options: list[str | Path] = ["--store", f"sqlite:{store}"]
    if command == "load":
        options = [write_dataset(tmp_path / "shop", retailer()), *options]
    else:
        options += ["--registry", tmp_path / "registry", "--listen", "127.0.0.1:0"]
    told(run(room, command, *options), code, store)
    # With room again it is as if nothing had been tried.
    shop = write_dataset(tmp_path / "again", retailer())
    done = run(1 << 30, "load", shop, "--store", f"sqlite:{store}")
    assert done.returncode == 0, done.stderr


def test_outputs_on_a_full_disk(tmp_path: Path) -> None:
    """A policy or a simulation without room is told by its place, and nothing of it is left."""
    registry = tmp_path / "registry"
    told(run(0, "policy", "publish", POLICY, "--registry", registry), CANNOT_WRITE, registry)
    assert list(registry.rglob("*.json*")) == []
    small = ("--customers", "20", "--items", "12", "--days", "14")
    told(run(100, "simulate", "--out", tmp_path / "out", *small), CANNOT_WRITE, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["registry"]
