"""A stop that comes while a server is still starting."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.machine

# As the first process of a container: a signal without a handler does nothing.
AS_FIRST_PROCESS = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-P", "-m", "service.cli", *sys.argv[1:]])
"""


def test_a_stop_while_starting_is_heard(tmp_path: Path) -> None:
    """SIGTERM during the long imports of a server ends it with 0, even in a container."""
    listen, store = ("--listen", "127.0.0.1:0"), ("--store", f"sqlite:{tmp_path / 'data'}")
    registry = "--registry", str(tmp_path / "registry")
    command = [sys.executable, "-c", AS_FIRST_PROCESS, "serve", *listen, *store, *registry]
    # Without these it would begin anew.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment)
    try:
        while process.poll() is None and not importing(process.pid):
            time.sleep(0.01)
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0
    finally:
        process.kill()
        process.wait(PATIENCE)


def importing(pid: int) -> bool:
    """Tell whether a process has begun to import what takes long."""
    return "numpy" in Path(f"/proc/{pid}/maps").read_text("utf-8")
