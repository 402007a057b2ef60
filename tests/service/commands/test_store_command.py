"""`throughline store`: what a person is told of the store's place, and its exit codes."""

import os
from pathlib import Path

import pytest

from service.store.database.location import DATABASE
from tests.support.redis_server import RedisServer
from tests.support.server_processes import run_command

KEY = "ab" * 32


def told(directory: Path, *arguments: str, code: int = os.EX_OK) -> str:
    """Run a command that must end with that exit code, and return all that it printed."""
    done = run_command(directory, *arguments, environment={"THROUGHLINE_KEY": KEY})
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.machine
def test_a_store_is_told_before_a_start(tmp_path: Path) -> None:
    """An embedded store that is gone is named with exit code 78, until it is accepted as it is."""
    (tmp_path / "log").mkdir()
    told(tmp_path, "store", "accept")
    said = told(tmp_path, "store", "check")
    assert "the store that is known here" in said
    assert "epoch       0 (accepted)" in said
    (tmp_path / "var" / "data" / DATABASE).unlink()
    assert "put it back" in told(tmp_path, "store", "check", code=os.EX_CONFIG)
    told(tmp_path, "store", "accept")
    assert "epoch       1 (accepted)" in told(tmp_path, "store", "check")
    assert "nothing to accept" in told(tmp_path, "store", "accept")


@pytest.mark.machine
def test_a_redis_is_told_before_a_start(tmp_path: Path, own_redis: RedisServer) -> None:
    """Of a Redis it is told what it holds and what it may lose; a check writes nothing."""
    check = ("store", "check", "--store", own_redis.url)
    assert "no store yet" in told(tmp_path, *check)
    with own_redis.client() as client:
        assert not client.dbsize()
    told(tmp_path, "store", "accept", "--store", own_redis.url)
    assert "the store that is known here" in told(tmp_path, *check)
    with own_redis.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert "noeviction" in told(tmp_path, *check)
        client.flushall()
    assert "empty, where a store is known" in told(tmp_path, *check, code=os.EX_CONFIG)
