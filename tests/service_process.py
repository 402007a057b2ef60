"""A real `throughline serve` as a child process, which may be killed and started again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import grpc

from tests.patience import PATIENCE
from tests.ports import free_port

COMMAND = (sys.executable, "-P", "-m", "service.cli")
KEY = "ab" * 32


class ServiceProcess:
    """A server over `store` (a URL), on the same port in all its lives, under the key `KEY`."""

    def __init__(
        self, directory: Path, store: str, *options: str, tracer: Sequence[str] = ()
    ) -> None:
        """`directory` is where it works; `tracer` is a command that the server runs under."""
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._directory = directory
        self._log = directory / f"serve-{self.port}.log"
        arguments = ("serve", "--listen", self.address, "--store", store, *options)
        self._command = [*tracer, *COMMAND, *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        with self._log.open("ab") as log:
            told = log.tell()
            self._process = subprocess.Popen(
                self._command, cwd=self._directory, stderr=log, env=environment()
            )
        deadline = time.monotonic() + PATIENCE
        while not self._said("ready", told):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the server is not ready: {self.log()[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once, as a crash would; nothing if it has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        """Ask it to end and return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=PATIENCE)
        self._process = None
        return code

    def log(self) -> str:
        """Return all that it logged in all its lives."""
        return self._log.read_text(encoding="utf-8")

    def _said(self, event: str, since: int) -> bool:
        with self._log.open("rb") as log:
            log.seek(since)
            lines = [line for line in log if line.endswith(b"}\n")]
        return any(json.loads(line).get("event") == event for line in lines)


def environment() -> dict[str, str]:
    """Return the environment of a child, with the key of the tests."""
    return {**os.environ, "THROUGHLINE_KEY": KEY}


def throughline(directory: Path, *arguments: str) -> str:
    """Run a command of the command line to its end and return what it printed."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def channel_to(address: str) -> grpc.Channel:
    """Return a channel of its own connection, which tries again soon after a failure."""
    return grpc.insecure_channel(
        address,
        options=[
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 300),
        ],
    )
