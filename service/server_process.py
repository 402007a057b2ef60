"""A `throughline serve` as a child process: started, awaited until it is ready, ended."""

import json
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from models.errors import ThroughlineError

# -P: no file of the working directory may stand in for a module of ours.
THROUGHLINE = (sys.executable, "-P", "-m", "service.cli")
START_SECONDS = 60.0
STOP_SECONDS = 35.0
LAST_LINES = 15


class NotServing(ThroughlineError):
    """A server was not ready in time, or has ended; the text holds the last lines of its log."""


class ServerProcess:
    """A server in a process of its own, which may be ended and started again.

    `port` is the one that it said when it was ready.
    """

    def __init__(
        self,
        log: Path,
        *options: str,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
        under: Sequence[str] = (),
        program: Sequence[str] = THROUGHLINE,
        start_seconds: float = START_SECONDS,
    ) -> None:
        """Take what `start` needs; nothing is started yet.

        `log` is made anew and takes what the server writes in all its lives; `options` are those of
        `throughline serve`, which listens on a free port of loopback unless they say otherwise.
        It works in `directory`, with `environment` or that of this process, as an argument of the
        command `under` if there is one, and must be ready within `start_seconds`. `program` is the
        `throughline` that serves: ours, or that of another version.
        """
        self.log = log
        self.port = 0
        self._command = [*under, *program, "serve", "--listen", "127.0.0.1:0", *options]
        self._directory = directory
        self._environment = environment
        self._start_seconds = start_seconds
        self._started: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """Return where it is called, host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Tell whether the process was started and has not ended."""
        return self._started is not None and self._started.poll() is None

    def start(self) -> None:
        """Start it and return once it says that it is ready; raises `NotServing`, and ends it."""
        assert not self.running
        with self.log.open("wb" if self._started is None else "ab") as log:
            before = log.tell()
            self._started = subprocess.Popen(  # noqa: S603 - our own command
                self._command,
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for whoever started it, who then ends it.
                start_new_session=True,
            )
        try:
            self._wait_until_ready(before)
        except BaseException:
            self.stop()  # not at once: it ends what it has started itself
            raise

    def send(self, number: int) -> None:
        """Send a signal; nothing if the process has ended."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Return the exit code once it has ended; raises `subprocess.TimeoutExpired`."""
        return self._process.wait(seconds)

    def stop(self, number: int = signal.SIGTERM, seconds: float = STOP_SECONDS) -> int:
        """End it by a signal and return its exit code; kill it when that takes too long."""
        self.send(number)
        try:
            with suppress(subprocess.TimeoutExpired):
                self.wait(seconds)
        finally:
            # Nor does it outlive who does not want to wait, as by a second Ctrl-C.
            self.kill()
        return self._process.returncode

    def kill(self) -> None:
        """End it at once, as a crash would; its workers then end by themselves."""
        if self._started is not None:
            self._started.kill()
            self._started.wait(STOP_SECONDS)  # one that is traced is held by its tracer

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of the log about an event, those of all its lives, in their order."""
        return self._said_since(0, event)

    def failure(self, what: str) -> NotServing:
        """Return an error that tells what happened, with the last lines of the log."""
        return NotServing(f"throughline serve {what}; its last lines:\n{last_lines(self.log)}")

    @property
    def _process(self) -> "subprocess.Popen[bytes]":
        assert self._started is not None, "never started"
        return self._started

    def _wait_until_ready(self, before: int) -> None:
        # The word of the child itself: on its port somebody else may be the one who answers.
        deadline = time.monotonic() + self._start_seconds
        while not (ready := self._said_since(before, "ready")):
            if not self.running:
                raise self.failure(f"ended with exit code {self._process.returncode}")
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready within {self._start_seconds:.0f} s")
            time.sleep(0.02)
        self.port = int(ready[-1]["port"])

    def _said_since(self, begin: int, event: str) -> list[dict[str, Any]]:
        with self.log.open("rb") as log:
            log.seek(begin)
            # A line is written at once, but a traceback is not one, nor is a line half read.
            lines = [line for line in log if line.startswith(b"{") and line.endswith(b"}\n")]
        return [said for line in lines if (said := json.loads(line)).get("event") == event]


def last_lines(log: Path) -> str:
    """Return the last lines that a process wrote into a file."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        return "".join(deque(lines, maxlen=LAST_LINES)).rstrip()
