"""What all tests share: a real Redis, a child of the test run, and that a machine may be slow."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, settings

from service.store.opening import open_store
from service.store.store import Store
from tests import machine
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.proof import proof, pytest_terminal_summary

__all__ = ["proof", "pytest_terminal_summary"]

COMMAND = shutil.which("redis-server") or "/usr/bin/redis-server"
STORE_KEY = bytes(range(32))

# How long an example takes says more of the machine than of the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure() -> None:
    """Measure the machine before there are workers, so that all of them agree."""
    machine.share()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot be judged on a machine that gives next to nothing."""
    reason = machine.too_slow()
    if reason:
        for item in items:
            if item.get_closest_marker("machine"):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtest_setup() -> None:
    """Begin no more tests on such a machine when its time is over."""
    reason = machine.over()
    if reason:
        pytest.skip(reason)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name what failed at once: a run that is ended early prints no summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\nFAILED {report.nodeid} ({report.when})", file=sys.stderr, flush=True)


class RedisServer:
    """A redis-server that keeps every write on disk in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self._directory),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "enable-debug-command": "yes",
            "hz": "1",
        }
        arguments = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([COMMAND, *arguments], stdout=subprocess.DEVNULL)
        with self.client() as client:
            for _ in range(200):
                try:
                    client.ping()
                except redis.RedisError:
                    time.sleep(0.05)
                else:
                    return
        raise AssertionError("redis-server does not answer")

    def client(self) -> redis.Redis:
        """Return a plain client of the server."""
        return redis.Redis.from_url(self.url, socket_timeout=PATIENCE)

    def send(self, number: int) -> None:
        """Send a signal to the server."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None


def require_redis() -> None:
    """Skip, or fail where THROUGHLINE_REQUIRE_REDIS=1, when there is no redis-server."""
    if Path(COMMAND).exists():
        return
    if os.environ.get("THROUGHLINE_REQUIRE_REDIS") == "1":
        pytest.fail("redis-server is not installed, and THROUGHLINE_REQUIRE_REDIS=1")
    pytest.skip("NOT TESTED AGAINST REDIS: redis-server is not installed (apt install it)")


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The one server that tests share; they must not stop it."""
    require_redis()
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """The shared server, emptied."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test alone, which may be stopped and started."""
    require_redis()
    directory = tmp_path / "redis"
    directory.mkdir()
    server = RedisServer(directory)
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["sqlite", "redis"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, once for each kind."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'store'}"
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


@pytest.fixture
def opened() -> Iterator[Callable[[str], Store]]:
    """Open stores by URL; they are closed after the test."""
    stores: list[Store] = []

    def open_(url: str) -> Store:
        stores.append(open_store(url, key=STORE_KEY, timeout=PATIENCE))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()
