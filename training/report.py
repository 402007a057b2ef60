"""Tables of figures that `train` and `evaluate` print."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from training.bootstrap import Interval
from training.slices import Measured
from training.terminal import table

SHOWN = ("recall@10", "ndcg@10")


def redeemed_table(measured: Sequence[Measured]) -> Table:
    """Return how offers are ranked against redemptions, ranker by ranker."""
    rows = [
        (
            found.ranker,
            f"{found.n:,}",
            *(_interval(found.metrics, name) for name in SHOWN),
            *(_interval(found.ahead, name, "+") for name in SHOWN),
        )
        for found in measured
    ]
    leads = [f"{measured[0].ranker} leads, {name}" for name in SHOWN]
    title = f"Offers ranked against {measured[0].n:,} redemptions, those valid at the moment"
    return table(title, ("ranker",), ("cases", *SHOWN, *leads), rows)


def all_metrics(measured: Sequence[Measured]) -> Table:
    """Return every metric of one ranker, slice by slice."""
    names = list(measured[0].metrics) if measured else []
    rows = [
        (found.slice, f"{found.n:,}", *(f"{found.metrics[name].value:.3f}" for name in names))
        for found in measured
    ]
    return table("Quality", ("slice",), ("cases", *names), rows)


def _interval(found: Mapping[str, Interval], name: str, sign: str = "") -> str:
    if name not in found:
        return ""
    value, low, high = (f"{part:{sign}.3f}" for part in found[name])
    return f"{value} [{low}, {high}]"
