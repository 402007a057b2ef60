"""The processes of a benchmark: each pinned to one core, and what CPU they have used so far."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import psutil

from bench.world import KEY
from service.server_process import STOP_SECONDS, THROUGHLINE, NotServing, ServerProcess

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
START_SECONDS = 120.0


class Server:
    """A server process on one core."""

    def __init__(self, pid: int, port: int) -> None:
        self.port = port
        self._process = psutil.Process(pid)

    def cpu_seconds(self) -> float:
        """Return what the threads of the process and its children have run so far.

        From the scheduler's own count in nanoseconds; a thread that has ended counts no more.
        """
        family = [self._process, *self._process.children(recursive=True)]
        tasks = (task for one in family for task in Path(f"/proc/{one.pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def cores() -> tuple[int, int]:
    """Return the core for the server measured and the core for everything else."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def pin(core: int) -> None:
    """Keep this process on one core."""
    os.sched_setaffinity(0, [core])


def end_servers_on_signals() -> None:
    """Let a signal that ends this process end its servers first.

    They would keep a core from the next measurement.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: sys.exit(128 + number))


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Keep every thread of this process on one core; after it they go where they could before."""
    usable = os.sched_getaffinity(0)
    _let_run_on([core])
    try:
        yield
    finally:
        _let_run_on(usable)


@contextmanager
def echo(core: Sequence[int]) -> Iterator[Server]:
    """Yield an echo server."""
    with _running([sys.executable, "-m", "bench.echo"], core, subprocess.PIPE) as process:
        assert process.stdout is not None
        port = process.stdout.readline()
        if not port:
            raise SystemExit("the echo did not start")
        yield Server(process.pid, int(port))


@contextmanager
def service(
    core: Sequence[int],
    store: str,
    directory: Path,
    *more: str,
    program: Sequence[str] = THROUGHLINE,
) -> Iterator[Server]:
    """Yield a `throughline serve` with the registry in `directory`."""
    options = ("--store", store, "--registry", str(directory / "registry"), *more)
    with NamedTemporaryFile(dir=directory, prefix="serve-", suffix=".log") as log:
        server = ServerProcess(
            Path(log.name),
            *options,
            environment={**os.environ, **ONE_THREAD, "THROUGHLINE_KEY": KEY.hex()},
            under=_on(core),
            program=program,
            start_seconds=START_SECONDS,
        )
        try:
            with server:
                yield Server(server.pid, server.port)
        except NotServing as error:
            raise SystemExit(str(error)) from None


@contextmanager
def redis(core: Sequence[int], directory: Path) -> Iterator[str]:
    """Yield the URL of a Redis that writes everything to disk before it answers."""
    found = shutil.which("redis-server")
    if found is None:
        raise SystemExit("redis-server is not installed (apt install redis-server)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    directory.mkdir()
    settings = {"port": str(port), "bind": "127.0.0.1", "dir": str(directory), "save": ""}
    settings |= {"appendonly": "yes", "appendfsync": "always"}
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    with _running([found, *words], core, subprocess.DEVNULL):
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"


def _on(cores: Iterable[int]) -> tuple[str, ...]:
    """Return the command under which another one runs on some cores alone, as the same process."""
    return ("taskset", "--cpu-list", ",".join(map(str, cores)))


@contextmanager
def _running(
    command: Sequence[str], core: Sequence[int], output: int
) -> Iterator["subprocess.Popen[str]"]:
    command, environment = [*_on(core), *command], {**os.environ, **ONE_THREAD}
    with subprocess.Popen(command, env=environment, stdout=output, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            process.kill()


def _let_run_on(cores: Iterable[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.sched_setaffinity(int(thread.name), cores)
