"""A real server in a process of its own, whose memory can be measured and whose log can be read."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.patience import PATIENCE


class ServerProcess:
    """A running `throughline serve`; `log` is what it has written to stderr so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.port = port
        self._process = process
        self._log = log

    @property
    def alive(self) -> bool:
        """Tell whether the process has not ended."""
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """Return everything that was logged."""
        return self._log.read_text(errors="replace")

    def memory(self) -> float:
        """Return the resident memory in MiB."""
        return float(psutil.Process(self._process.pid).memory_info().rss) / 2**20


@contextmanager
def server_process(directory: Path, *options: str) -> Iterator[ServerProcess]:
    """Yield a server that works in `directory` (`var/` below it), once it says that it is ready."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "log"
    command = [sys.executable, "-P", "-m", "service.cli", "serve", "--listen", "127.0.0.1:0"]
    with log.open("wb") as stderr:
        process = subprocess.Popen([*command, *options], cwd=directory, stderr=stderr)
    try:
        yield ServerProcess(process, _port(process, log), log)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        for line in log.read_text(errors="replace").splitlines():
            if '"ready"' in line:
                return int(json.loads(line)["port"])
        time.sleep(0.05)
    raise AssertionError(f"the server is not ready: {log.read_text(errors='replace')[-2000:]}")
