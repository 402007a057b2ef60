"""Times that cannot be: in a wrong unit, before there were records, after the present, far off."""

from collections.abc import Iterator

import polars as pl

from training.checks.checked_dataset import AHEAD, EARLIEST, CheckedDataset
from training.checks.finding import Found

# Epochs in seconds, milliseconds and microseconds are this much apart.
UNITS = {
    1_000.0: "1,000 times too early: seconds read as milliseconds, or these as microseconds",
    1_000_000.0: "1,000,000 times too early: seconds read as microseconds",
    0.001: "1,000 times too late: milliseconds read as seconds, or microseconds as these",
    0.000_001: "1,000,000 times too late: microseconds read as seconds",
}
# What is far off are few events, before or after a silence that is longer than all else together. A
# shop that grew slowly has few early events, too, but no such silence.
FAR_SHARE = 0.01
FAR_DAYS = 30


def wrong_unit(dataset: CheckedDataset) -> Iterator[Found]:
    """Find that most times would be plausible if they were read in another unit."""
    reading = _mistaken_unit(dataset)
    if reading:
        yield Found(f"times are {reading}", dataset.timed.height, _example(dataset.timed))


def too_early(dataset: CheckedDataset) -> Iterator[Found]:
    """Find times before `EARLIEST`."""
    early = dataset.timed.filter(pl.col("time") < EARLIEST)
    if early.height and not _mistaken_unit(dataset):
        yield Found(f"events before {EARLIEST.year}", early.height, _example(early))


def in_future(dataset: CheckedDataset) -> Iterator[Found]:
    """Find times after the present."""
    late = dataset.timed.filter(pl.col("time") > dataset.now + AHEAD)
    if late.height and not _mistaken_unit(dataset):
        yield Found("events after the present", late.height, _example(late))


def far_off(dataset: CheckedDataset) -> Iterator[Found]:
    """Find few events that a long silence keeps apart from all others."""
    plausible = dataset.timed.filter(dataset.plausible())
    days = plausible.group_by(pl.col("time").dt.date().alias("day")).len().sort("day")
    if days.height < 2:
        return
    silences = days.select(
        (pl.col("day").shift(-1) - pl.col("day")).dt.total_days().alias("silence"),
        pl.col("len").cum_sum().alias("before"),
        pl.col("day"),
        pl.col("day").shift(-1).alias("next"),
    ).drop_nulls()
    total, first, last = plausible.height, days["day"][0], days["day"][-1]
    for silence, before, day, following in silences.iter_rows():
        early = before <= FAR_SHARE * total
        late = total - before <= FAR_SHARE * total
        rest = (last - following if early else day - first).days
        if (early or late) and silence > max(rest, FAR_DAYS):
            local = pl.col("time").dt.date()
            few = plausible.filter(local <= day if early else local >= following)
            side = "before" if early else "after"
            yield Found(f"events {side} a silence of {silence:,} days", few.height, _example(few))


def _mistaken_unit(dataset: CheckedDataset) -> str:
    """Return how the median of the times was misread, empty where it is plausible or stays odd."""
    epochs = dataset.timed["time"].dt.epoch("us")
    middle = epochs.median()
    if not isinstance(middle, float):
        return ""
    first, last = EARLIEST.timestamp() * 1e6, (dataset.now + AHEAD).timestamp() * 1e6
    if first <= middle <= last:
        return ""
    return next((told for factor, told in UNITS.items() if first <= middle * factor <= last), "")


def _example(events: pl.DataFrame) -> str:
    # As text by Polars: Python knows no year after 9999.
    text = pl.col("time").dt.to_string("%Y-%m-%d %H:%M:%S")
    return " ".join(events.head(1).select("channel", "type", text).row(0))
