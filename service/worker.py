"""One of several workers: `python -P -m service.worker`, as `service.supervisor` starts it.

Standard input is a socket to the parent. On it comes one line of JSON, the assignment; back goes a
line when the worker serves; and its end is the end of the parent, which a worker does not outlive.
"""

import os
import signal
import socket
import threading
import time
from typing import Any, NamedTuple

import msgspec

from service.settings import Settings
from service.signals import Signals

READY = b"ready\n"
EXIT_SECONDS = 5.0  # beyond the drain, for stores to be closed


class Assignment(NamedTuple):
    """What a parent tells a worker; `clock_offset` (microseconds) only if the clock is set."""

    number: int
    port: int
    clock_offset: int | None
    settings: dict[str, Any]


def assignment(number: int, port: int, clock_offset: int | None, settings: Settings) -> bytes:
    """Return the line that tells a worker what to do: all settings as they hold, the key too."""
    held = settings.model_dump(mode="json") | {"key": settings.key.get_secret_value()}
    return msgspec.json.encode(Assignment(number, port, clock_offset, held)) + b"\n"


def main() -> None:
    """Serve as assigned until SIGTERM, or until the parent has ended."""
    # Ctrl-C and a closed terminal are for the parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals = Signals(signal.SIGTERM)
    parent = _take_stdin()
    with parent.makefile("rb") as lines:
        assigned = msgspec.json.decode(lines.readline(), type=Assignment)
    settings = Settings(**assigned.settings)
    serving = threading.Event()
    watched = (parent, serving, signals, settings.drain_seconds)
    threading.Thread(target=_end_with_parent, args=watched, name="parent", daemon=True).start()

    from service.lifecycle import Shared, run
    from service.logs import configure_logs

    configure_logs(settings.log_level, worker=assigned.number)

    def tell() -> None:
        serving.set()
        parent.sendall(READY)

    run(settings, signals, Shared(assigned.port, assigned.clock_offset), tell)


def _take_stdin() -> socket.socket:
    """Return the socket that is standard input, and leave nothing in its place."""
    parent = socket.socket(fileno=os.dup(0))
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    return parent


def _end_with_parent(
    parent: socket.socket, serving: threading.Event, signals: Signals, drain_seconds: float
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
    from service.cli import reported

    reported(main)
