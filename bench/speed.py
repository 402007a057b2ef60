"""The figure of record: server CPU of one `Recommend`, divided by that of an empty echo.

    python -m bench.speed [--store sqlite --store redis] [--first-stage] [--policy TOML]
    python -m bench.speed --beside CHECKOUT ...

Both servers run at once, pinned to one core; load generator and Redis are pinned to the other.
Calls go to them in turn, a slice at a time and 16 in flight, so what the machine does besides
touches both alike; a round is ten slices each and gives one ratio. CPU is what the operating system
counted for the server's process, background threads included. Prints median, least and most; exits
with 1 when a target is missed, and with 2 when the rounds differ too much to say. `--beside`
compares with another commit instead: see `bench.beside`.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench import beside, processes, world
from bench.checkouts import HERE, checkout_at
from bench.recall import recall
from bench.rounds import IN_FLIGHT, cpu_of_calls, requests_of
from models.policy.schema import BUILT_IN, Policy
from models.policy.toml_file import read_policy

STORES = ("sqlite", "redis")
STAGES = {True: "both stages", False: "first stage alone"}
TARGET_RECALL = 0.95
TARGET_RATIOS = {True: 15.0, False: 12.0}  # with both stages, and with the first alone
ROUNDS, CALLS = 15, 1_000
NOISE = 0.15  # the middle half of the rounds may differ by this share of the median


class Figure(NamedTuple):
    """What one store costs at one share of eligible offers; `ratios` has one entry a round.

    `ranked`: by both stages.
    """

    ranked: bool
    store: str
    share: float
    echo_us: float
    service_us: float
    ratios: list[float]
    recall: float

    @property
    def ratio(self) -> float:
        """Return the median of the rounds."""
        return statistics.median(self.ratios)

    @property
    def spread(self) -> float:
        """Return what the middle half of the rounds spans, as a share of the median."""
        first, _, third = statistics.quantiles(self.ratios, n=4)
        return (third - first) / self.ratio

    @property
    def met(self) -> bool:
        """Tell whether ratio and recall are as they should be."""
        target = TARGET_RATIOS[self.ranked]
        return self.ratio <= target and self.recall >= TARGET_RECALL

    def __str__(self) -> str:
        return (
            f"{self.store}, {STAGES[self.ranked]}, {self.share:.0%} eligible: "
            f"{self.ratio:.1f}x an echo [{min(self.ratios):.1f}, {max(self.ratios):.1f}] "
            f"({self.service_us:.0f} of {self.echo_us:.0f} us), recall@200 {self.recall:.3f}"
        )


def figures(
    stores: Sequence[str],
    rounds: int,
    calls: int,
    offers: int,
    *,
    ranked: bool = True,
    policy: Policy = BUILT_IN,
) -> Iterator[Figure]:
    """Measure each store at each share of eligible offers, by both stages or the first alone."""
    core, other = processes.cores()
    with tempfile.TemporaryDirectory(prefix="throughline-bench-") as scratch:
        directory = Path(scratch)
        made = world.make_world(offers, ranker=world.RANKER if ranked else None)
        found = recall(made, world.enter_release(made, directory / "registry", policy))
        with processes.redis([other], directory / "redis") as url:
            for store in stores:
                where = url if store == "redis" else f"sqlite:{directory / 'data'}"
                world.fill(where, made)
                for moment, share in world.SHARES.items():
                    clock = datetime.fromtimestamp(moment / 1e6, UTC).isoformat()
                    with (
                        processes.echo([core]) as echo,
                        processes.service([core], where, directory, "--clock", clock) as service,
                    ):
                        requests = requests_of(made.customers)
                        spent = cpu_of_calls((echo, service), requests, rounds, calls)
                    yield Figure(
                        ranked,
                        store,
                        share,
                        statistics.median(spent[0]),
                        statistics.median(spent[1]),
                        [b / a for a, b in zip(*spent, strict=True)],
                        found[moment],
                    )


def report(console: Console, found: Sequence[Figure]) -> int:
    """Print the figures and how they stand to the targets, and return the exit code."""
    columns = ("store", "eligible", "echo us", "service us", "ratio", "least", "most", "recall@200")
    table = Table(*columns, title="CPU of one Recommend against an empty echo")
    for figure in found:
        table.add_row(
            figure.store,
            f"{figure.share:.0%}",
            f"{figure.echo_us:.0f}",
            f"{figure.service_us:.0f}",
            f"{figure.ratio:.1f}",
            f"{min(figure.ratios):.1f}",
            f"{max(figure.ratios):.1f}",
            f"{figure.recall:.3f}",
        )
    console.print(table)
    noisy = [figure for figure in found if figure.spread > NOISE]
    for figure in noisy:
        console.print(f"TOO NOISY TO SAY: the middle half of the rounds spans {figure.spread:.0%}")
    for figure in found:
        if not figure.met:
            console.print(f"MISSED: {figure}")
    return 2 if noisy else 0 if all(figure.met for figure in found) else 1


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--store", action="append", choices=STORES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--offers", type=int, default=world.OFFERS)
    parser.add_argument("--first-stage", action="store_true", help="a release without the second")
    parser.add_argument("--policy", type=Path, help="a policy's TOML; else the empty one")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="another, to compare with")
    options = parser.parse_args()
    processes.end_servers_on_signals()
    sizes = (options.store or STORES, options.rounds, options.calls, options.offers)
    ranked = not options.first_stage
    console = Console(width=100)
    console.print(
        f"{options.offers:,} offers, {STAGES[ranked]}; {options.rounds} rounds of {options.calls} "
        f"calls each, {IN_FLIGHT} in flight; the servers on one core; policy: "
        f"{options.policy or 'the empty one'}."
    )
    with Console(stderr=True).status("measuring, some minutes ..."):
        if options.beside is None:
            policy = read_policy(options.policy.read_text()) if options.policy else BUILT_IN
            found = list(figures(*sizes, ranked=ranked, policy=policy))
        else:
            pair = HERE, checkout_at(options.beside)
            console.print(f"Here: {pair[0]}; beside: {pair[1]}.")
            compared = list(beside.comparisons(pair, *sizes, ranked=ranked, policy=options.policy))
    sys.exit(report(console, found) if options.beside is None else beside.report(console, compared))


if __name__ == "__main__":
    main()
