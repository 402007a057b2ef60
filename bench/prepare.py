"""Makes a world, and prints its customers: run as the text of a program, by any checkout.

    python -c TEXT REGISTRY OFFERS both|first STORE...

It finds `bench.world` in the directory it is run in, and uses what every commit has of it.
"""

import json
import sys
from importlib.metadata import distribution
from pathlib import Path

from bench import world


def main(registry: str, offers: str, stages: str, *stores: str) -> None:
    """Put a world's release in force in a registry, and its customers into each of the stores."""
    # An environment that was copied runs the code of the checkout that it was made in.
    origin = json.loads(distribution("throughline").read_text("direct_url.json") or "{}")
    if origin.get("url") != Path.cwd().as_uri():
        raise SystemExit(f"this environment runs the code of {origin.get('url')}")
    count = int(offers)
    made = world.make_world(count) if stages == "both" else world.make_world(count, ranker=None)
    world.enter_release(made, Path(registry))
    for store in stores:
        world.fill(store, made)
    json.dump(made.customers, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
