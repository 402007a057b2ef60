"""The demo's child processes: commands that run to their end, and the service that stays up."""

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import ThroughlineError
from service.commands.terminal import busy

LAST_LINES = 15
START_SECONDS = 60.0
STOP_SECONDS = 35.0


class ChildFailed(ThroughlineError):
    """A command of the demo failed; the text holds the last lines that it printed."""


def run(arguments: tuple[str, ...], log: Path) -> list[str]:
    """Run `throughline` with `arguments`, output into `log`, and return what it printed.

    Raises `ChildFailed` with the last lines when its exit code is not 0.
    """
    # -P: a file of the working directory must not stand in for a module of ours.
    command = [sys.executable, "-P", "-m", "service.cli", *arguments]
    with log.open("wb") as file, busy(f"throughline {arguments[0]} ..."):
        code = subprocess.run(  # noqa: S603 - our own command
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=_environment(),
            check=False,
        ).returncode
    if code:
        raise _failed(f"throughline {arguments[0]} failed with exit code {code}", log)
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


@contextmanager
def served(arguments: tuple[str, ...], log: Path) -> Iterator[str]:
    """Keep `throughline serve` up, output into `log`, while the block runs; yield its address.

    Raises `ChildFailed` when it is not ready in time, or ends badly.
    """
    command = [sys.executable, "-P", "-m", "service.cli", "serve", *arguments]
    with log.open("wb") as file:
        child = subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=_environment(),
            # Ctrl-C is for the demo, which then ends the service itself.
            start_new_session=True,
        )
    try:
        with busy("throughline serve ..."):
            port = _port_when_ready(child, log)
        yield f"127.0.0.1:{port}"
    finally:
        code = _stop(child)
    if code:
        raise _failed(f"throughline serve ended with exit code {code}", log)


def _stop(child: "subprocess.Popen[bytes]") -> int:
    """End the service by its own handle and return its exit code."""
    child.terminate()
    try:
        return child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()
    except KeyboardInterrupt:
        # Who asks a second time does not want to wait; nothing is left running all the same.
        child.kill()
        child.wait()
        raise


def _port_when_ready(child: "subprocess.Popen[bytes]", log: Path) -> int:
    # The word of the child itself: on its port somebody else may be the one who answers.
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise _failed(f"throughline serve ended with exit code {child.returncode}", log)
        for line in log.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.startswith("{") and line.endswith("}\n"):
                said = json.loads(line)
                if said["event"] == "ready":
                    return int(said["port"])
        time.sleep(0.1)
    raise _failed(f"throughline serve was not ready within {START_SECONDS:.0f} s", log)


def _environment() -> dict[str, str]:
    # The demo's own options decide; a setting of the caller's environment must not.
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("THROUGHLINE_")
    }
    # One thread a library: on a small machine more of them only wait for each other.
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "100"}


def _failed(what: str, log: Path) -> ChildFailed:
    with log.open(encoding="utf-8", errors="replace") as lines:
        last = deque(lines, maxlen=LAST_LINES)
    return ChildFailed(f"{what}; its last lines:\n{''.join(last).rstrip()}")
