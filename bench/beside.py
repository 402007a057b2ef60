"""What a change costs: a `Recommend` of this checkout, beside one of another, in one run.

    python -m bench.speed --beside CHECKOUT [--store sqlite] [--rounds 15] ...

CHECKOUT is a directory with any commit that has `bench.world`, and with the environment that `make
.venv/.all` makes there. Each of the two makes world, release and stores by its own code. Both
services run at once with an echo, and are called in turn; each round gives one ratio here/beside.

Judged is the interval that the median of the ratios lies in: each of its ends is wrong in 5 of 100
runs at most. All of it above `TOLERANCE`: slower, exit code 1. None of it: not slower, exit code 0,
and faster where all of it is as far on the other side. Else, and with fewer than five rounds, the
exit code is 2: too noisy to say. Two processes of one commit differ by one or two in a hundred for
as long as they run: so both are started anew `STARTS` times, and there is a tolerance.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from throughline.v1 import recommendation_pb2 as pb

from bench import processes, world
from bench.checkouts import Checkout, side_by_side
from bench.rounds import Caller, cpu_of_calls, requests_of

ANSWERS = 100  # compared
ERROR = 0.05  # how often an end of the interval may be on the wrong side of the median
TOLERANCE = 1.03
STARTS = 3  # of the services, with a share of the rounds each
COLUMNS = (
    *("store", "eligible", "echo us", "us here", "us beside", "echoes\nhere", "echoes\nbeside"),
    "here/beside\n\\[least, most]",
)


class Verdict(Enum):
    """How this checkout stands to the other."""

    SLOWER = "slower"
    UNSURE = "perhaps slower, the rounds are too noisy or too few to say"
    SAME = "neither slower nor faster beyond the noise"
    FASTER = "faster"


class Comparison(NamedTuple):
    """CPU microseconds of a call on one store at one share of eligible offers, round by round.

    Of `ANSWERS`, `same_offers` show the same offers in the same order, and `equal` also say the
    same of them.
    """

    store: str
    share: float
    echo: list[float]
    here: list[float]
    beside: list[float]
    same_offers: int
    equal: int

    def __str__(self) -> str:
        low, high = interval(self.ratios)
        return f"{self.store} at {self.share:.0%} ({low:.3f} to {high:.3f})"

    @property
    def ratios(self) -> list[float]:
        """Return here/beside of each round."""
        return [here / beside for here, beside in zip(self.here, self.beside, strict=True)]

    @property
    def row(self) -> list[str]:
        """Return what the table shows."""
        microseconds = [statistics.median(each) for each in (self.echo, self.here, self.beside)]
        echoes = [
            statistics.median(us / echo for us, echo in zip(side, self.echo, strict=True))
            for side in (self.here, self.beside)
        ]
        ratio, least, most = statistics.median(self.ratios), min(self.ratios), max(self.ratios)
        return [
            *(self.store, f"{self.share:.0%}"),
            *(f"{each:.0f}" for each in microseconds),
            *(f"{each:.1f}" for each in echoes),
            f"{ratio:.3f} [{least:.3f}, {most:.3f}]",
        ]


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the two ratios that the true median lies between; 0 and infinity if they are too few.

    However ratios are distributed, each is as likely below the median as above it: of 5 all are on
    one side in 3 of 100 runs, of 15 twelve are in 2. So these are the least and the most of 5, and
    the fourth from either end of 15.
    """
    ordered, count = sorted(ratios), len(ratios)
    left_out, chance = 0, 0.5**count
    while chance <= ERROR:
        left_out += 1
        chance += math.comb(count, left_out) * 0.5**count
    return (ordered[left_out - 1], ordered[-left_out]) if left_out else (0.0, math.inf)


def judge(ratios: Sequence[float]) -> Verdict:
    """Return what the ratios here/beside of the rounds tell."""
    low, high = interval(ratios)
    if low > TOLERANCE:
        return Verdict.SLOWER
    if high > TOLERANCE:
        return Verdict.UNSURE
    return Verdict.FASTER if high < 1 / TOLERANCE else Verdict.SAME


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """Return 1 if anything is slower, else 2 if it cannot be said of something, else 0."""
    return 1 if Verdict.SLOWER in verdicts else 2 if Verdict.UNSURE in verdicts else 0


def comparisons(
    checkouts: tuple[Checkout, Checkout],
    stores: Sequence[str],
    rounds: int,
    calls: int,
    offers: int,
    *,
    ranked: bool = True,
    policy: Path | None = None,
) -> Iterator[Comparison]:
    """Measure both checkouts on each store at each share of eligible offers."""
    core, _ = processes.cores()
    with side_by_side(checkouts, stores) as sides:
        with ThreadPoolExecutor() as both:
            made = both.map(lambda side: side.prepare(stores, offers, ranked, policy), sides)
            customers, others = made
        if customers != others:
            raise SystemExit("the two commits make different customers: nothing to compare")
        requests = requests_of(customers)
        for store in stores:
            for moment, share in world.SHARES.items():
                spent: tuple[list[float], list[float], list[float]] = ([], [], [])
                for start in range(min(STARTS, rounds)):
                    part = len(range(start, rounds, STARTS))
                    with (
                        processes.echo([core]) as echo,
                        sides[0].service(core, store, moment) as here,
                        sides[1].service(core, store, moment) as beside,
                    ):
                        answers = [_answers(server, requests) for server in (here, beside)]
                        found = cpu_of_calls((echo, here, beside), requests, part, calls)
                    for each, more in zip(spent, found, strict=True):
                        each.extend(more)
                same_offers, equal = sum(map(_same_offers, *answers)), sum(map(_equal, *answers))
                yield Comparison(store, share, *spent, same_offers, equal)


def report(console: Console, found: Sequence[Comparison]) -> int:
    """Print the comparisons and what they tell, and return the exit code."""
    table = Table(*COLUMNS, title="CPU of one Recommend, here and beside")
    for one in found:
        table.add_row(*one.row)
    console.print(table)
    for one in found:
        console.print(
            f"{one.store} at {one.share:.0%}: of {ANSWERS} answers {one.same_offers} show the same "
            f"offers in the same order, {one.equal} with the same scores and reasons."
        )
    verdicts = [judge(one.ratios) for one in found]
    for verdict in Verdict:
        meant = [str(one) for one, its in zip(found, verdicts, strict=True) if its is verdict]
        if meant:
            console.print(f"Here is {verdict.value}: {', '.join(meant)}.")
    console.print(
        f"In brackets: what the median lies in, each end wrong in {ERROR:.0%} of runs at most. "
        f"Slower: all of it above {TOLERANCE}; faster: all below {1 / TOLERANCE:.2f}."
    )
    return exit_code(verdicts)


def _answers(server: processes.Server, requests: Sequence[bytes]) -> list[pb.RecommendResponse]:
    caller = Caller(server.port, requests)
    answers = [caller.answer() for _ in range(ANSWERS)]
    caller.close()
    return answers


def _same_offers(one: pb.RecommendResponse, other: pb.RecommendResponse) -> bool:
    return [offer.offer_id for offer in one.offers] == [offer.offer_id for offer in other.offers]


def _equal(one: pb.RecommendResponse, other: pb.RecommendResponse) -> bool:
    """Compare all but what is of a decision alone, its id, and the moment: it names the release."""
    return (
        list(one.offers) == list(other.offers)
        and list(one.withheld) == list(other.withheld)
        and list(one.flags) == list(other.flags)
    )
