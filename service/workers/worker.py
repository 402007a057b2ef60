"""One of several workers: `python -P -m service.workers.worker`, as their supervisor starts it.

Standard input is a socket to the parent. When that ends, so has the parent, and so does the worker.
"""

import os
import signal
import socket
import threading
import time
from contextlib import suppress

from service.config.settings import Settings
from service.server.parent import Parent
from service.server.process_signals import ProcessSignals
from service.workers.assignment import (
    ALIVE,
    DECIDING,
    EXIT_SECONDS,
    LEAVING,
    SERVING,
    read_assignment,
)


def main() -> None:
    """Serve as assigned until SIGTERM, or until the parent has ended."""
    # Ctrl-C and a closed terminal are for the parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals = ProcessSignals(signal.SIGTERM)
    parent = _take_stdin()
    with parent.makefile("rb") as lines:
        assigned = read_assignment(lines.readline())
    settings = Settings(**assigned.settings)
    serving = threading.Event()
    watched = (parent, serving, signals, settings.drain_seconds)
    threading.Thread(target=_end_with_parent, args=watched, name="parent", daemon=True).start()

    from service.config.logs import configure_logs
    from service.server.lifecycle import run

    configure_logs(settings.log_level, worker=assigned.number)

    run(settings, signals, assigned.shared, _Supervisor(parent, serving))


class _Supervisor(Parent):
    """The parent, which replaces a worker that does not say that it is alive."""

    watches = True

    def __init__(self, parent: socket.socket, serving: threading.Event) -> None:
        self._parent = parent
        self._serving = serving
        self._told = False

    def ready(self, deciding: bool) -> None:
        self._serving.set()
        self._tell(DECIDING if deciding else SERVING)
        self._told = True

    def alive(self) -> None:
        if self._told:
            self._tell(ALIVE)

    def leaving(self) -> None:
        self._tell(LEAVING)

    def _tell(self, what: bytes) -> None:
        with suppress(OSError):  # it has ended; so shall we
            self._parent.sendall(what)


def _take_stdin() -> socket.socket:
    """Return the socket that is standard input, and leave nothing in its place."""
    parent = socket.socket(fileno=os.dup(0))
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    return parent


def _end_with_parent(
    parent: socket.socket, serving: threading.Event, signals: ProcessSignals, drain_seconds: float
) -> None:
    while True:
        try:
            if not parent.recv(64):
                break
        except OSError:
            break
    if not serving.is_set():
        os._exit(os.EX_SOFTWARE)
    # Twice: nobody will come after us, so no balancer needs to be told and waited for.
    signals.send(signal.SIGTERM)
    signals.send(signal.SIGTERM)
    time.sleep(drain_seconds + EXIT_SECONDS)
    os._exit(os.EX_SOFTWARE)


if __name__ == "__main__":
    from service.config.exit_codes import run_and_report

    run_and_report(main)
