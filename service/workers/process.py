"""A worker as its parent sees it: a child process, and the socket to it."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress

from service.workers.assignment import DECIDING, EXIT_SECONDS, LEAVING
from service.workers.silence import STEP_SECONDS, Silence

# Without a sign that it answers: a worker is silent for less than that while it takes over a
# catalogue or a release.
SILENT_SECONDS = 5.0
START_SECONDS = 300.0  # a start loads a release and tries it; who takes longer hangs


class WorkerProcess:
    """A worker that was started; `deadline` is when it is late with what is expected of it."""

    def __init__(
        self, number: int, assignment: bytes, environment: dict[str, str], leave_seconds: float
    ) -> None:
        """Start worker `number`, tell it what to do, and later allow it `leave_seconds` to end.

        Raises `OSError` when there can be no further process.
        """
        self.number = number
        self.ready = False
        self.decides = False  # by a release, as it said when it was ready
        self.ended = False
        self.exit_code = os.EX_OK
        self.deadline = time.monotonic() + START_SECONDS
        self._serving_since = float("inf")
        self._stopping = False
        self._killed = False
        self._leaving = leave_seconds
        ours, theirs = socket.socketpair()
        with ExitStack() as opened, theirs:
            opened.enter_context(ours)
            self._process = subprocess.Popen(
                # -P: nothing in the working directory may pass for a module of ours.
                [sys.executable, "-P", "-m", "service.workers.worker"],
                stdin=theirs.fileno(),
                env=environment,
                start_new_session=True,  # what a terminal sends is for the parent
            )
            opened.pop_all()
        self._socket = ours
        self._silence = Silence(self._process.pid)
        with suppress(OSError):  # has ended already: `receive` tells
            self._socket.sendall(assignment)

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        return self._process.pid

    def fileno(self) -> int:
        """Return what is readable when `receive` has something to tell."""
        return self._socket.fileno()

    def receive(self) -> bool:
        """Read what the worker says; tell whether that is that it serves. Sets `ended`."""
        try:
            message = self._socket.recv(1024)
        except OSError:
            message = b""
        if message:
            self._silence.broken()
            if LEAVING in message:
                self._allow_to_leave()
            if self.ready:
                return False
            self.ready = True
            self.decides = message.startswith(DECIDING)
            self._serving_since = time.monotonic()
            if not self._stopping:
                self.deadline = float("inf")
            return True
        self.exit_code = self._process.wait()  # the socket ends with the process
        self.ended = True
        return False

    def served(self, seconds: float) -> bool:
        """Tell whether it served for so long."""
        return time.monotonic() - self._serving_since >= seconds

    def stop(self) -> None:
        """Let it leave and drain; again: without waiting for balancers."""
        self._allow_to_leave()
        if self.ready:
            self._process.terminate()
        else:
            self._process.kill()  # has nothing to drain

    def _allow_to_leave(self) -> None:
        if not self._stopping:
            self._stopping = True
            self.deadline = time.monotonic() + self._leaving + EXIT_SECONDS

    @property
    def next_look(self) -> float:
        """Return when `kill_if_late` is to be called again at the latest."""
        if self.ready and not self._killed:
            return min(self.deadline, time.monotonic() + STEP_SECONDS)
        return self.deadline

    def kill_if_late(self) -> bool:
        """End it at once if it is past its deadline, or serves no more; tell the latter."""
        if self._killed:
            return False
        hangs = self.ready and not self._stopping and self._silence.seconds() >= SILENT_SECONDS
        if hangs or time.monotonic() >= self.deadline:
            self._killed = True
            self.deadline = float("inf")
            self._process.kill()
        return hangs

    def kill(self) -> None:
        """End it at once, and wait until it has ended."""
        self._process.kill()
        self.exit_code = self._process.wait()
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def ending(self) -> dict[str, object]:
        """Return how it ended, to be logged: by which signal, or with which exit code."""
        if self.exit_code < 0:
            return {"signal": signal.Signals(-self.exit_code).name}
        return {"exit_code": self.exit_code}
