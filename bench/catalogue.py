"""What a change of the catalogue costs: CPU of one worker, its start, and its memory.

    python -m bench.catalogue [--offers 100000] [--serving] [--source DIRECTORY]

One worker's part, without gRPC: the store's change is read, the catalogue and the index follow, and
whoever asks next finds them. `--source` measures the package in another checkout, for a comparison
in one run. CPU is of all threads of the process, so that a search library's threads count.
"""

import argparse
import gc
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from statistics import median

CHANGES = 15  # of each kind; the median is told
KINDS = ("price", "stock", "feature", "validity", "new item", "one tenth")


def prepare(directory: Path, offers: int) -> None:
    """Write a release of so many items, and a store with their catalogue, below a directory."""
    from bench.world import KEY, enter_release, make_world
    from service.store.opening import open_store

    made = make_world(offers, ranker=None)
    enter_release(made, directory / "registry")
    store = open_store(f"sqlite:///{directory / 'store'}", key=KEY, timeout=30)
    for start in range(0, len(made.items), 1_000):
        store.put_catalogue(made.items[start : start + 1_000])
    store.close()


def measure(directory: Path) -> dict[str, float]:
    """Return CPU milliseconds by kind of change, seconds of the start, and MB of the worker."""
    from msgspec.structs import replace

    from bench.world import KEY, MOSTLY
    from models.decision.decide import decide
    from models.decision.inputs import SharedInputs
    from models.domain.catalogue import Catalogue, Item, Money, Stock
    from models.domain.decisions import Request
    from models.domain.profile import Profile
    from models.domain.selectors import OfferHas
    from models.policy.schema import Eligibility, Policy
    from models.ranking.offer_index import OfferIndex
    from models.release.loader import load_release
    from models.release.registry import Registry
    from service.store.catalogue_writes import catch_up
    from service.store.opening import open_store

    store = open_store(f"sqlite:///{directory / 'store'}", key=KEY, timeout=30)
    registry = Registry(directory / "registry")
    release = load_release(registry.path(registry.entries()[0].release))
    empty = _rss()
    found: dict[str, float] = {}
    start = time.perf_counter()
    catalogue = catch_up(store, Catalogue())
    found["start: read"] = time.perf_counter() - start
    start = time.perf_counter()
    index = OfferIndex(release, catalogue)
    found["start: index"] = time.perf_counter() - start
    rule = Eligibility(name="dear", channels=("till",), when=(OfferHas(price_at_least=10),))
    policy = Policy(eligibility=(rule,))

    def ask() -> None:
        for channel in ("web", "till"):
            decide(
                Profile(customer=b""), SharedInputs(index, policy), Request(channel=channel), MOSTLY
            )

    ask()
    gc.collect()
    found["memory: catalogue and index"] = _rss() - empty
    start = time.perf_counter()
    gc.collect()
    found["full collection"] = 1000 * (time.perf_counter() - start)
    gc.freeze()  # else each collection between the changes walks all of it
    ids = sorted(catalogue.items)

    def rows(kind: str, at: int) -> list[Item]:
        item = catalogue.items[ids[(at * 7919) % len(ids)]]
        changed = {
            "price": lambda: replace(item, price=Money("EUR", 200 + at)),
            "stock": lambda: replace(item, stock=(Stock("north", at % 2, at),)),
            "feature": lambda: replace(item, features={"category": [str(at)]}),
            "validity": lambda: replace(item, valid_until=MOSTLY + 1_000_003 * at),
            "new item": lambda: replace(item, id=f"{item.id}-{at}-new"),
        }
        if kind in changed:
            return [changed[kind]()]
        part = (catalogue.items[one] for one in ids[at % 10 :: 10])
        return [replace(one, price=Money("EUR", 300 + at)) for one in part]

    for kind in KINDS:
        costs, waits = [], []
        for at in range(1, (CHANGES if kind != "one tenth" else 3) + 1):
            changed = rows(kind, at)
            gc.collect()
            used = time.process_time()
            catalogue = catalogue.apply(catalogue.revision + 1, changed)
            index = index.update(catalogue)
            costs.append(time.process_time() - used)
            used = time.process_time()
            ask()
            waits.append(time.process_time() - used)
        found[f"{kind}: apply"] = 1000 * median(costs)
        found[f"{kind}: next two decisions"] = 1000 * median(waits)
    plain = []
    for _ in range(200):
        used = time.process_time()
        ask()
        plain.append(time.process_time() - used)
    found["two decisions"] = 1000 * median(plain)
    found["memory: most"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    store.close()
    return found


def run(source: Path, arguments: Sequence[str]) -> str:
    """Run this script over the package in `source`, and return what it prints."""
    command = [sys.executable, str(Path(__file__).resolve()), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    told = subprocess.run(command, env=environment, cwd=source, capture_output=True, text=True)
    if told.returncode:
        raise SystemExit(told.stderr)
    return told.stdout


def _rss() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--offers", type=int, default=100_000)
    parser.add_argument("--source", type=Path, help="a checkout of before, measured beside this")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--serving", action="store_true", help="what a server answers, too")
    parser.add_argument("--measure-serving", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        prepare(options.prepare, options.offers)
        return
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    if options.measure_serving:
        sys.path.append(str(Path(__file__).resolve().parent))
        print(
            json.dumps(import_module("catalogue_serving").measure_serving(options.measure_serving))
        )
        return
    here = Path(__file__).resolve().parents[1]
    sources = [here] if options.source is None else [options.source.resolve(), here]
    with tempfile.TemporaryDirectory() as directory:
        run(here, ["--prepare", directory, "--offers", str(options.offers)])
        found = [json.loads(run(source, ["--measure", directory])) for source in sources]
        if options.serving:
            for one, source in zip(found, sources, strict=True):
                for name in ("serving", "upload"):
                    shutil.rmtree(Path(directory) / name, ignore_errors=True)
                one |= json.loads(run(source, ["--measure-serving", directory]))
    print(f"{options.offers:,} offers; CPU in ms, start in s, memory in MB")
    for name in found[-1]:
        print(f"{name:36}" + "".join(f"{one[name]:12.2f}" for one in found))


if __name__ == "__main__":
    main()
