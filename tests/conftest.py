"""What all tests share: a real Redis, a child of the test run, and that a machine may be slow."""

import faulthandler
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from hypothesis import HealthCheck, settings

from service.store.database.backend import Backend
from service.store.opening import open_store
from service.store.store import Store
from tests.support import machine
from tests.support.backends import STORE_KEY, backend_of
from tests.support.proof_table import proof, pytest_terminal_summary
from tests.support.redis_server import RedisServer, require_redis
from tests.support.waiting import PATIENCE

__all__ = ["proof", "pytest_terminal_summary"]


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


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Bound the end of a test, too: whatever bounds a test is gone once it has failed."""
    seconds = float(item.config.getini("faulthandler_timeout"))
    if seconds:
        faulthandler.dump_traceback_later(
            seconds,
            file=item.config.stash[fault_handler_stderr_fd_key],
            exit=bool(item.config.getini("faulthandler_exit_on_timeout")),
        )


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name what failed at once: a run that is ended early prints no summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\nFAILED {report.nodeid} ({report.when})", file=sys.stderr, flush=True)


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
def backend(store_url: str) -> Iterator[Backend]:
    """The bare database of an empty store, once of each kind."""
    made = backend_of(store_url)
    yield made
    made.close()


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
