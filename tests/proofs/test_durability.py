"""Nothing acknowledged is lost and nothing counts twice, whatever is killed when.

A kill takes a process and leaves the machine: what was written and not synced survives it, so it
does not test that replies wait for the disk. The order of system calls does, in
`test_order_on_disk.py`.
"""

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.crashes import CLIENTS, Known, check, crash
from tests.support.proof_table import Proof
from tests.support.redis_server import RedisServer
from tests.support.server_processes import Served, keyed_server
from tests.support.waiting import joined

pytestmark = pytest.mark.machine

SMALL = (1, 200)
FULL = (20, 10_000)

Kill = Callable[[], None]


def sizes(small: tuple[int, int], full: tuple[int, int]) -> list[object]:
    """Return a small size for every run of the tests, and the full one for the proof."""
    return [
        pytest.param(*small, id="small"),
        pytest.param(*full, id="full", marks=[pytest.mark.prove, pytest.mark.timeout(900)]),
    ]


def kills_of(service: Served, redis: RedisServer | None, number: int) -> list[Kill]:
    """Return so many kills of the service; Redis too in half of them, both at once in a quarter."""
    chance = random.Random(number)

    def service_alone() -> None:
        service.kill()
        service.start()

    def redis_then_service() -> None:
        assert redis is not None
        redis.kill()
        time.sleep(chance.uniform(0.0, 0.5))
        redis.start()
        time.sleep(chance.uniform(0.0, 0.5))
        service_alone()

    def both_at_once() -> None:
        assert redis is not None
        threads = [
            threading.Thread(target=kill, daemon=True) for kill in (redis.kill, service.kill)
        ]
        for thread in threads:
            thread.start()
        joined(*threads)
        redis.start()
        service.start()

    if redis is None:
        return [service_alone] * number
    quarter = -(-number // 4)
    kills = [both_at_once] * quarter + [redis_then_service] * quarter + [service_alone] * number
    return chance.sample(kills[:number], number)


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
@pytest.mark.parametrize(("kills", "events"), sizes(SMALL, FULL))
def test_no_kill_loses_or_doubles_an_event(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    proof: Proof,
    kind: str,
    kills: int,
    events: int,
) -> None:
    """After any kill the events of clients that retry are there once each, in log and profiles."""
    redis: RedisServer | None = request.getfixturevalue("own_redis") if kind == "redis" else None
    store = f"sqlite:{tmp_path / 'data'}" if redis is None else redis.url
    service = keyed_server(tmp_path, store)
    service.start()
    try:
        calls, history = crash(service, events, kills_of(service, redis, kills))
        told = check(tmp_path, service, store, calls, history)
    finally:
        service.kill()
    assert told.missing == []
    assert told.twice == []
    assert told.half == []
    assert told.disagreeing == []
    assert told.invented == []
    assert told.forgotten == []
    assert told.acknowledged + told.unknown == events
    unknown = [one for one in history if one.known is Known.UNKNOWN]
    again = sum(one.again for one in history)
    assert unknown
    assert again
    proof(
        "A1",
        f"{kind}: {kills} x kill -9 of the service during {events:,} events from {CLIENTS} "
        f"clients{'' if redis is None else '; Redis too in half, both at once in a quarter'}; "
        f"{len(unknown):,} calls of unknown outcome, {again:,} sent again on purpose",
        f"{told.acknowledged:,} acknowledged: {len(told.missing)} missing, "
        f"{len(told.twice)} twice, {len(told.half)} half-applied; "
        f"{told.unknown} never acknowledged",
    )
