"""The table of figures that `evaluate` prints."""

from collections.abc import Sequence

from rich.table import Table

from training.evaluation.slices import Measurement
from training.terminal import table


def metrics_table(measured: Sequence[Measurement]) -> Table:
    """Return every metric of one ranker, slice by slice."""
    names = list(measured[0].metrics) if measured else []
    rows = [
        (
            measurement.slice,
            f"{measurement.n:,}",
            *(f"{measurement.metrics[name].value:.3f}" for name in names),
        )
        for measurement in measured
    ]
    return table("Quality", ("slice",), ("cases", *names), rows)
