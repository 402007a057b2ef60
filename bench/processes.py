"""The processes of a benchmark: each pinned to one core, and what CPU they have used so far."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from bench.world import KEY

SERVER_CORE, OTHER_CORE = 0, 1
READY_SECONDS = 120
THROUGHLINE = Path(sys.executable).with_name("throughline")  # of this environment


class Server:
    """A server process on one core."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.port = port
        self._process = psutil.Process(process.pid)

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
def child(
    command: Sequence[str], core: Sequence[int], port_of: Callable[[str], int | None], **more: str
) -> Iterator[Server]:
    """Yield a server started by `command` once a line of it tells its port; end it after."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **more}
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, core),
    )
    assert process.stdout is not None
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            port = port_of(line)
            if port is not None:
                break
        else:
            raise SystemExit(f"a server did not start:\n{''.join(said)}")
        yield Server(process, port)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@contextmanager
def echo(core: Sequence[int]) -> Iterator[Server]:
    """Yield an echo server."""
    with child([sys.executable, "-m", "bench.echo"], core, lambda line: int(line)) as server:
        yield server


@contextmanager
def service(
    core: Sequence[int], store: str, directory: Path, *more: str, program: Path = THROUGHLINE
) -> Iterator[Server]:
    """Yield a `throughline serve` with the registry in `directory`."""
    command = [str(program), "serve", "--listen", "127.0.0.1:0"]
    command += ["--store", store, "--registry", str(directory / "registry"), *more]
    with child(command, core, _ready_port, THROUGHLINE_KEY=KEY.hex()) as server:
        yield server


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
    process = subprocess.Popen(
        [found, *words],
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, core),
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


def _let_run_on(cores: Iterable[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.sched_setaffinity(int(thread.name), cores)


def _ready_port(line: str) -> int | None:
    if not line.startswith("{"):
        return None
    said = json.loads(line)
    return int(said["port"]) if said["event"] == "ready" else None
