"""A real `throughline serve` as a child process, and other commands that run to their end."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from models.release.registry import Registry
from service.server_process import THROUGHLINE, ServerProcess
from tests.support.in_process import enter_release
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE

KEY = "ab" * 32


class Served(ServerProcess):
    """A server as tests look at it: its memory, its workers."""

    def memory(self) -> float:
        """Return the resident memory of the process in MiB."""
        return float(psutil.Process(self.pid).memory_info().rss) / 2**20

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        found = []
        for child in psutil.Process(self.pid).children():
            with suppress(psutil.NoSuchProcess):  # it has just ended
                if "service.workers.worker" in child.cmdline():
                    found.append(child.pid)
        return sorted(found)


def prepared(directory: Path) -> str:
    """Make a registry with a small release in force where `served` looks; return its id."""
    registry = Registry(directory / "var" / "registry")
    release = enter_release(registry.directory)
    registry.promote(release, 1)
    return release


@contextmanager
def served(
    directory: Path, *options: str, workers: int = 1, log: str = "serve.log"
) -> Iterator[Served]:
    """Yield a server that works in `directory` once all of it is ready; end it after."""
    server = Served(
        directory / log,
        *("--listen", f"127.0.0.1:{free_port()}", "--workers", str(workers), *options),
        directory=directory,
        start_seconds=PATIENCE,
    )
    with server:
        yield server


def keyed_server(directory: Path, store: str, *options: str, under: Sequence[str] = ()) -> Served:
    """Return a server over `store` (a URL) under the key `KEY`, for the test to start and end.

    It has the same port in all its lives; `under` is a command that it runs under.
    """
    port = free_port()
    return Served(
        directory / f"serve-{port}.log",
        *("--listen", f"127.0.0.1:{port}", "--store", store, *options),
        directory=directory,
        environment={**os.environ, "THROUGHLINE_KEY": KEY},
        under=under,
        start_seconds=PATIENCE,
    )


def run_command(
    directory: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command of `throughline` in `directory` to its end, with more in its environment."""
    return subprocess.run(
        [*THROUGHLINE, *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "COLUMNS": "100", **(environment or {})},
    )


def gone(pids: list[int]) -> bool:
    """Tell whether none of these processes is there any more."""
    return not any(psutil.pid_exists(pid) for pid in pids)
