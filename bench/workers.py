"""What a second worker brings: Recommends a second of two workers against one.

    python -m bench.workers [--store sqlite --store redis] [--rounds 7] [--calls 3000]

Both servers run at once and are loaded in turn by h2load (Debian: nghttp2-client), which costs next
to nothing beside them, over 24 connections with one call each in flight. Nothing is pinned: on two
cores two workers share them with the load generator and, where it is the store, Redis. Where they
leave next to nothing of the machine idle, that is the limit and not the service; it is then said,
and the exit code is 2, as when the rounds differ too much to say.
"""

import argparse
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psutil

from bench import processes, world
from bench.rounds import Caller, requests_of
from bench.speed import NOISE, STORES

TARGET = 1.6
FULL = 0.15  # idle share of the machine, waits for the disk included: less, and it is full
CONNECTIONS = 24  # fewer than one worker lets in at once: none is refused
_METHOD = "throughline.v1.RecommendationService/Recommend"


class Round(NamedTuple):
    """Calls a second of one worker and of two, and the share of the machine that two left idle."""

    one: float
    two: float
    idle: float

    @property
    def gain(self) -> float:
        """Return how many times as many two answer."""
        return self.two / self.one


class Gain(NamedTuple):
    """What a second worker brings on one store."""

    store: str
    rounds: list[Round]

    @property
    def median(self) -> float:
        """Return the median gain."""
        return statistics.median(found.gain for found in self.rounds)

    @property
    def spread(self) -> float:
        """Return what the middle half of the rounds spans, as a share of the median."""
        first, _, third = statistics.quantiles([found.gain for found in self.rounds], n=4)
        return (third - first) / self.median

    @property
    def full(self) -> bool:
        """Tell whether two workers left next to nothing of the machine."""
        return statistics.median(found.idle for found in self.rounds) < FULL

    def __str__(self) -> str:
        one, two, idle = (statistics.median(each) for each in zip(*self.rounds, strict=True))
        gains = [found.gain for found in self.rounds]
        return (
            f"{self.store}: one worker {one:.0f}/s, two workers {two:.0f}/s: {self.median:.2f}x "
            f"[{min(gains):.2f}, {max(gains):.2f}]; two leave {idle:.0%} of the machine idle"
        )


def gain_of(store: str, rounds: int, calls: int, offers: int) -> Gain:
    """Measure one worker and two in turn."""
    everywhere = sorted(set(processes.cores()))
    clock = datetime.fromtimestamp(world.MOSTLY / 1e6, UTC).isoformat()
    with tempfile.TemporaryDirectory(prefix="throughline-bench-") as scratch:
        directory = Path(scratch)
        made = world.make_world(offers)
        world.enter_release(made, directory / "registry")
        body = directory / "request"
        message = requests_of(made.customers)[0]
        body.write_bytes(b"\0" + struct.pack(">I", len(message)) + message)
        with processes.redis(everywhere, directory / "redis") as url:
            where = [url, url]
            if store == "sqlite":  # a directory has one server
                where = [f"sqlite:{directory / name}" for name in ("one", "two")]
            for place in sorted(set(where)):
                world.fill(place, made)
            with (
                processes.service(everywhere, where[0], directory, "--clock", clock) as one,
                processes.service(
                    everywhere, where[1], directory, "--clock", clock, "--workers", "2"
                ) as two,
            ):
                for server in (one, two):
                    caller = Caller(server.port, requests_of(made.customers))
                    caller.run(200)
                    caller.close()
                return Gain(store, [_round(one, two, body, calls) for _ in range(rounds)])


def _round(one: processes.Server, two: processes.Server, body: Path, calls: int) -> Round:
    alone = _load(one, body, calls)
    psutil.cpu_times_percent()  # the next tells of the time from here on
    both = _load(two, body, calls)
    times = psutil.cpu_times_percent()
    return Round(alone, both, (times.idle + times.iowait) / 100)


def _load(server: processes.Server, body: Path, calls: int) -> float:
    """Return the calls a second that a server answers; raises when one failed."""
    command = [
        *("h2load", "-n", str(calls), "-c", str(CONNECTIONS), "-m", "1", "-d", str(body)),
        *("-H", "content-type: application/grpc", "-H", "te: trailers"),
        f"http://127.0.0.1:{server.port}/{_METHOD}",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    done = re.search(r"(\d+) succeeded", said)
    speed = re.search(r"([\d.]+) req/s", said)
    if done is None or speed is None or int(done[1]) != calls:
        raise RuntimeError(f"a call failed:\n{said}")
    return float(speed[1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--store", action="append", choices=STORES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=3_000)
    parser.add_argument("--offers", type=int, default=world.OFFERS)
    options = parser.parse_args(arguments)
    if shutil.which("h2load") is None:
        raise SystemExit("h2load is not installed (apt install nghttp2-client)")
    processes.end_servers_on_signals()
    worst = 0
    for store in options.store or STORES:
        found = gain_of(store, options.rounds, options.calls, options.offers)
        print(f"{found}; {options.rounds} rounds of {options.calls} calls")
        if found.spread > NOISE:
            print("TOO NOISY TO SAY")
            worst = 2
        elif found.median < TARGET and found.full:
            print("THE MACHINE IS FULL: it has no more to give to a second worker")
            worst = 2
        elif found.median < TARGET:
            print(f"MISSED: want {TARGET}x")
            worst = max(worst, 1)
    sys.exit(worst)


if __name__ == "__main__":
    main()
