"""A real `throughline serve` in processes of its own, and clients that several workers share."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil

from models.release.registry import Registry
from service.client import Client
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.running import enter_release

SERVE = [sys.executable, "-P", "-m", "service.cli", "serve"]

# What a client needs so that a restart costs it no call.
RETRIES = {
    "name": [{}],
    "retryPolicy": {
        "maxAttempts": 5,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        # What a call that arrives in the very moment of a stop can end as.
        "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
    },
}


@dataclass
class Served:
    """A server's process, its port, and the file that it logs to."""

    process: "subprocess.Popen[bytes]"
    log: Path
    port: int = 0

    @property
    def address(self) -> str:
        """Return where it listens."""
        return f"127.0.0.1:{self.port}"

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of the log with this event, in their order."""
        lines = self.log.read_text().splitlines()
        said = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [line for line in said if line["event"] == event]

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # it has just ended
                if "service.workers.worker" in child.cmdline():
                    found.append(child.pid)
        return sorted(found)

    def stop(self, number: int = signal.SIGTERM, seconds: float = PATIENCE) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


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
    """Yield `throughline serve` in `directory`, on a free port, once all of it is ready."""
    listen = f"127.0.0.1:{free_port()}"
    command = [*SERVE, "--listen", listen, "--workers", str(workers), *options]
    path = directory / log
    with path.open("wb") as stderr:
        process = subprocess.Popen(
            command, cwd=directory, stderr=stderr, stdin=subprocess.DEVNULL, start_new_session=True
        )
    live = Served(process, path)
    try:
        assert eventually(lambda: live.said("ready") or process.poll() is not None, PATIENCE)
        assert live.said("ready"), path.read_text()
        live.port = live.said("ready")[-1]["port"]
        yield live
    finally:
        # Without the parent the workers end by themselves.
        process.kill()
        process.wait()


def eventually(holds: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def gone(pids: list[int]) -> bool:
    """Tell whether none of these processes is there any more."""
    return not any(psutil.pid_exists(pid) for pid in pids)


@contextmanager
def clients(target: str, number: int, retries: bool = True) -> Iterator[list[Client]]:
    """Yield clients with a connection each: a shared one would always be of the same worker.

    `target` is one address, or several as gRPC writes them, to be taken in turn.
    """
    options: list[tuple[str, Any]] = [("grpc.use_local_subchannel_pool", 1)]
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if retries:
        config["methodConfig"] = [RETRIES]
    options += [("grpc.service_config", json.dumps(config))]
    with ExitStack() as opened:
        yield [
            Client(opened.enter_context(grpc.insecure_channel(target, options)), target, PATIENCE)
            for _ in range(number)
        ]


def command(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of `throughline` to its end."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "service.cli", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )
