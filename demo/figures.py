"""What the demo shows of a training run: the figures that matter, from its report."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.table import Table

from service.commands.terminal import table

WHOLE = "all"  # the slice of all cases
MODEL = "release"
SHOWN = {"recall@10": "R@10", "ndcg@10": "NDCG@10"}


class Interval(msgspec.Struct, frozen=True):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class Measured(msgspec.Struct, frozen=True):
    """One ranker on one slice of the cases of an intent."""

    ranker: str
    slice: str
    n: int
    metrics: dict[str, Interval]
    behind_the_release: dict[str, Interval]


class Opponents(msgspec.Struct, frozen=True):
    """Which opponent, chosen before the test, the release is judged by."""

    judge: str


class Intent(msgspec.Struct, frozen=True):
    """All rankers on the cases of one intent."""

    opponents: Opponents
    measured: tuple[Measured, ...]


class Report(msgspec.Struct, frozen=True):
    """The part of a training report that the demo reads."""

    default: Intent
    discovery: Intent


def read_report(registry: Path, release: str) -> Report:
    """Return the report that a training run left beside its release."""
    path = registry / "reports" / f"{release}.json"
    return msgspec.json.decode(path.read_bytes(), type=Report)


def against_the_opponent(report: Report) -> Table:
    """Return the release beside the opponent that it is judged by, figure by figure."""
    rows = [
        *_rows("default", report.default),
        *_rows("discovery", report.discovery),
    ]
    columns = ("intent", "cases", "figure", "release", "opponent", "the release leads by")
    title = "The release beside its opponent, chosen before the test [95 % interval]"
    return table(columns, rows, title)


def _rows(name: str, intent: Intent) -> Iterator[tuple[str, ...]]:
    whole = {found.ranker: found for found in intent.measured if found.slice == WHOLE}
    opponent = whole[intent.opponents.judge]
    said_once = (name, f"{opponent.n:,}")
    for metric, said in SHOWN.items():
        lead = opponent.behind_the_release[metric]
        yield (
            *said_once,
            said,
            _figure(whole[MODEL].metrics[metric].value),
            f"{_figure(opponent.metrics[metric].value)} {opponent.ranker}",
            f"{_figure(lead.value)} [{_figure(lead.low)}, {_figure(lead.high)}]",
        )
        said_once = ("", "")


def _figure(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1)
