"""What a second worker brings: Recommends a second of two workers against one.

    python -m bench.workers [--store sqlite --store redis] [--rounds 7] [--calls 3000]

Both servers run at once and are loaded in turn by h2load (Debian: nghttp2-client), which costs next
to nothing beside them, over 64 connections with one call each in flight. Nothing is pinned: on two
cores two workers share them with the load generator and, where it is the store, Redis.
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

from bench import processes, world
from bench.speed import NOISE, STORES, Caller, requests_of

TARGET = 1.6
CONNECTIONS = 64
_METHOD = "throughline.v1.RecommendationService/Recommend"


def ratios(store: str, rounds: int, calls: int, offers: int) -> list[tuple[float, float]]:
    """Return the calls a second of one worker and of two, for each round."""
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
                return [(_load(one, body, calls), _load(two, body, calls)) for _ in range(rounds)]


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
    worst = 0
    for store in options.store or STORES:
        found = ratios(store, options.rounds, options.calls, options.offers)
        gains = [two / one for one, two in found]
        gain = statistics.median(gains)
        quarters = statistics.quantiles(gains, n=4)
        one, two = (statistics.median(each) for each in zip(*found, strict=True))
        print(
            f"{store}: one worker {one:.0f}/s, two workers {two:.0f}/s: {gain:.2f}x "
            f"[{min(gains):.2f}, {max(gains):.2f}], {options.rounds} rounds of {options.calls}"
        )
        if (quarters[2] - quarters[0]) / gain > NOISE:
            print("TOO NOISY TO SAY")
            worst = 2
        elif gain < TARGET:
            print(f"MISSED: want {TARGET}x")
            worst = max(worst, 1)
    sys.exit(worst)


if __name__ == "__main__":
    main()
