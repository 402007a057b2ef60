"""The demo's child processes: commands that run to their end, and the service that stays up."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from models.errors import ThroughlineError
from service.commands.terminal import busy
from service.server_process import THROUGHLINE, ServerProcess, last_lines


class ChildFailed(ThroughlineError):
    """A command of the demo failed; the text holds the last lines that it printed."""


def run(arguments: tuple[str, ...], log: Path) -> list[str]:
    """Run `throughline` with `arguments`, output into `log`, and return what it printed.

    Raises `ChildFailed` with the last lines when its exit code is not 0.
    """
    with log.open("wb") as file, busy(f"throughline {arguments[0]} ..."):
        code = subprocess.run(  # noqa: S603 - our own command
            [*THROUGHLINE, *arguments],
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=_environment(),
            check=False,
        ).returncode
    if code:
        raise ChildFailed(
            f"throughline {arguments[0]} failed with exit code {code}; its last lines:\n"
            f"{last_lines(log)}"
        )
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


@contextmanager
def served(arguments: tuple[str, ...], log: Path) -> Iterator[str]:
    """Keep `throughline serve` up, output into `log`, while the block runs; yield its address.

    Raises `NotServing` when it is not ready in time, or ends badly.
    """
    server = ServerProcess(log, *arguments, environment=_environment())
    with ExitStack() as running:
        with busy("throughline serve ..."):
            running.enter_context(server)
        yield server.address
    if code := server.wait(0):
        raise server.failure(f"ended with exit code {code}")


def _environment() -> dict[str, str]:
    # The demo's own options decide; a setting of the caller's environment must not.
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("THROUGHLINE_")
    }
    # One thread a library: on a small machine more of them only wait for each other.
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "100"}
