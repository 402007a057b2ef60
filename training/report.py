"""The tables of figures that `train` and `evaluate` print."""

from collections.abc import Sequence

from rich.table import Table

from training.redemptions import SLICE as REDEEMED
from training.slices import ALL, Measured
from training.terminal import table

BY_SLICE = ("release", "popularity", "own counts")
SHOWN = ("recall@10", "ndcg@10")


def quality_tables(measured: Sequence[Measured]) -> list[Table]:
    """Return one table of rankers over all cases, one by slice, and one of redeemed offers.

    By slice only the strongest simple baselines are shown; the report file holds every figure.
    """
    whole = [found for found in measured if found.slice == ALL]
    offers = [found for found in measured if found.slice == REDEEMED]
    parts = [
        found
        for found in measured
        if found.slice not in (ALL, REDEEMED) and found.ranker in BY_SLICE
    ]
    tables = []
    if whole:
        tables.append(_table(f"Quality over {whole[0].n:,} cases [95 % interval]", whole, "ranker"))
    if parts:
        tables.append(_table("By slice", parts, "both"))
    if offers:
        title = f"Offers ranked against {offers[0].n:,} redemptions, those valid at the moment"
        tables.append(_table(title, offers, "ranker"))
    return tables


def all_metrics(measured: Sequence[Measured]) -> Table:
    """Return every metric of one ranker, slice by slice."""
    names = list(measured[0].metrics) if measured else []
    rows = [
        (found.slice, f"{found.n:,}", *(f"{found.metrics[name].value:.3f}" for name in names))
        for found in measured
    ]
    return table("Quality", ("slice",), ("cases", *names), rows)


def _table(title: str, measured: Sequence[Measured], by: str) -> Table:
    shown = [name for name in SHOWN if all(name in found.metrics for found in measured)]
    rows = []
    for found in measured:
        cells = [_interval(found, name) for name in shown]
        ahead = found.ahead.get(SHOWN[0])
        lead = "" if ahead is None else f"{ahead.value:+.3f} [{ahead.low:+.3f}, {ahead.high:+.3f}]"
        first = (found.ranker,) if by == "ranker" else (found.slice, found.ranker)
        rows.append((*first, f"{found.n:,}", *cells, lead))
    texts = ("ranker",) if by == "ranker" else ("slice", "ranker")
    return table(title, texts, ("cases", *shown, f"release leads, {SHOWN[0]}"), rows)


def _interval(found: Measured, name: str) -> str:
    value, low, high = found.metrics[name]
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
