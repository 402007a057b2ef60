"""Nobody gets the last contact twice, however many processes race for it and are killed (S5)."""

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import redis

from models.domain.events import Event
from service.store.opening import open_store
from tests.support.cap_racer import KEY, killed
from tests.support.paths import ROOT
from tests.support.proof_table import LONG, Proof
from tests.support.redis_server import RedisServer
from tests.support.small_release import write_small_release
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.machine

PROCESSES = 4


@pytest.mark.parametrize("races", [60, pytest.param(50_000, marks=LONG)])
def test_the_last_contact_is_given_once(
    tmp_path: Path, own_redis: RedisServer, proof: Proof, races: int
) -> None:
    """Of processes that decide for one customer at once, some killed, at most one delivers."""
    draw, chunk = random.Random(5), min(races, 2_500)
    write_small_release(tmp_path / "releases")
    line = redis.Redis.from_url(own_redis.url, socket_timeout=PATIENCE)
    overtaken = kills = 0
    for first in range(0, races, chunk):
        racers = [_racer(own_redis.url, tmp_path, first, first + chunk) for _ in range(PROCESSES)]
        victim = racers[draw.randrange(PROCESSES)]
        # Killed at any moment of its work; the others go on.
        reached = f"test:race:{first + draw.randrange(chunk)}"
        while not line.exists(reached) and victim.poll() is None:
            time.sleep(0.001)
        kills += victim.poll() is None
        victim.kill()
        line.set(killed(first), 1)
        for racer in racers:
            printed, _ = racer.communicate()
            assert racer is victim or racer.returncode == 0
            overtaken += int(printed or 0)
    store = open_store(own_redis.url, key=KEY, timeout=PATIENCE)
    sent = Counter(
        said.identifier
        for _, said in store.log(None)
        if isinstance(said, Event) and said.type == "sent"
    )
    faults = store.verify().faults
    store.close()
    assert max(sent.values()) == 1
    # A contact that its winner was killed with is not delivered; each kill costs one at most.
    assert races - kills <= len(sent) <= races
    assert overtaken > 0
    assert faults == ()
    proof(
        "the last contact is given once (S5)",
        f"{races:,} races of {PROCESSES} processes over Redis, {kills} of them killed amid it",
        f"{len(sent):,} contacts delivered, 0 twice; {overtaken:,} decisions overtaken",
    )


def _racer(url: str, directory: Path, first: int, last: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.support.cap_racer", url, str(directory / "releases")]
    command += map(str, (PROCESSES, first, last))
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
