"""One of several processes that race for the last contact of one customer after another.

`python -m tests.support.cap_racer URL REGISTRY PROCESSES FIRST LAST` asks for each
customer at the same moment as the others do, decides, commits and sends as a channel would, and
prints how often it was overtaken. The release is the only one below REGISTRY.
"""

import sys
import time
from pathlib import Path

import redis

from models.decision.inputs import SharedInputs
from models.policy.schema import Cap, Contact, Policy
from models.ranking.offer_index import OfferIndex
from models.release.loader import load_release
from service.config.clock import Clock
from service.decisions.decider import Decider
from service.decisions.volume_leases import VolumeLeases
from service.store.opening import open_store
from tests.support.concurrent_callers import Actor
from tests.support.events import identifier
from tests.support.small_release import small_catalogue
from tests.support.waiting import PATIENCE

KEY = bytes(range(32))
CHANNELS = ("email", "sms")
POLICY = Policy(contact=Contact(caps=(Cap(name="weekly", limit=1, days=7, channels=CHANNELS),)))
WAITED = 0.05  # seconds that one waits for those that may have been killed


def main(url: str, registry: str, processes: int, first: int, last: int) -> None:
    """Race for the customers from `first` on, up to but without `last`."""
    (directory,) = (path for path in Path(registry).iterdir() if (path / "manifest.json").exists())
    world = SharedInputs(OfferIndex(load_release(directory), small_catalogue()), POLICY)
    store, clock = open_store(url, key=KEY, timeout=PATIENCE), Clock()
    actor = Actor(Decider(store, clock, VolumeLeases(store)), store, clock, world)
    line = redis.Redis.from_url(url, socket_timeout=PATIENCE)
    _together(line, f"test:started:{first}", processes, killed(first), PATIENCE)
    for number in range(first, last):
        actor.ask(identifier(number + 1), CHANNELS[number % 2])
        _together(line, f"test:race:{number}", processes, killed(first), WAITED)
        while actor.running:
            actor.step()
    store.close()
    print(actor.overtaken, flush=True)


def killed(first: int) -> str:
    """Return the key that counts who was killed of those that race from `first` on."""
    return f"test:killed:{first}"


def _together(line: "redis.Redis", key: str, processes: int, gone: str, seconds: float) -> None:
    """Wait until all of the processes that live are here, or for so long."""
    line.incr(key)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        here, fewer = (int(count or 0) for count in line.mget(key, gone))
        if here >= processes - fewer:
            return
        time.sleep(0.0005)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
