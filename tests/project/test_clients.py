"""The clients of examples/clients work against a real service."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.in_process import Running, running
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.machine

CLIENTS = ROOT / "examples" / "clients"


def said(command: list[str], directory: Path, live: Running) -> list[str]:
    """Run a client of a service in a directory and return the lines that it prints."""
    done = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | {"THROUGHLINE_SERVER": f"127.0.0.1:{live.server.port}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_client_in_python(tmp_path: Path) -> None:
    """The client prints three offers, and its click is stored."""
    with running(tmp_path) as live:
        lines = said([sys.executable, str(CLIENTS / "python" / "recommend.py")], tmp_path, live)
    assert len(lines) == 3
    assert lines[0].startswith("1 ")


def test_the_client_in_node(tmp_path: Path) -> None:
    """The client prints the same offers as the one in Python; skipped without Node or npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("NOT TESTED IN NODE: node or npm is not installed")
    copied = tmp_path / "examples" / "clients"
    shutil.copytree(CLIENTS, copied, ignore=shutil.ignore_patterns("node_modules"))
    (tmp_path / "protos").symlink_to(ROOT / "protos")
    installed = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=copied / "node",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if installed.returncode != 0:
        pytest.skip(f"NOT TESTED IN NODE: npm ci fails: {installed.stderr[-200:]}")
    store = tmp_path / "store"
    store.mkdir()
    with running(store) as live:
        in_node = said([node, "recommend.js"], copied / "node", live)
        in_python = said([sys.executable, str(copied / "python" / "recommend.py")], store, live)
    assert len(in_node) == 3
    assert in_node == in_python
