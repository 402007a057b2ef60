"""The suite of a store runs over each kind: SQLite, one Redis, a cluster, and under Sentinel.

Over a cluster and under Sentinel the core runs in `make test`, and the rest in `make prove`; but of
what goes through thousands of histories, one Redis and SQLite are enough.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.redis_cluster import RedisCluster
from tests.support.redis_sentinel import RedisSentinel
from tests.support.redis_server import require_redis

CORE = {"test_store", "test_decision_writes"}
SEVERAL = ("redis_cluster", "redis_sentinel")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to `make prove` what is not the core."""
    kept = []
    for item in items:
        call = getattr(item, "callspec", None)
        several = call is not None and call.params.get("store_url") in SEVERAL
        if several and item.get_closest_marker("prove"):
            continue
        kept.append(item)
        if several and Path(str(item.path)).stem not in CORE:
            item.add_marker(pytest.mark.prove)
    items[:] = kept


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """The one cluster that tests share; they must not stop it."""
    require_redis()
    cluster = RedisCluster(tmp_path_factory.mktemp("cluster"))
    cluster.start()
    yield cluster
    cluster.kill()


@pytest.fixture
def redis_cluster(shared_cluster: RedisCluster) -> RedisCluster:
    """The shared cluster, emptied."""
    shared_cluster.empty()
    return shared_cluster


@pytest.fixture(scope="session")
def shared_sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSentinel]:
    """A primary, a replica and a sentinel that tests share; they must not stop one."""
    require_redis()
    sentinel = RedisSentinel(tmp_path_factory.mktemp("sentinel"))
    sentinel.start()
    yield sentinel
    sentinel.kill()


@pytest.fixture
def redis_sentinel(shared_sentinel: RedisSentinel) -> RedisSentinel:
    """The same, emptied."""
    shared_sentinel.empty()
    return shared_sentinel


@pytest.fixture(params=["sqlite", "redis", *SEVERAL])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, once for each kind."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'store'}"
    name = {"redis": "redis_server"}.get(request.param, request.param)
    url: str = request.getfixturevalue(name).url
    return url
