"""Times that are true of the file and not of what happened: days only, or one moment for all."""

from collections.abc import Iterator

import polars as pl

from training.checks.checked_dataset import CUSTOMER, CheckedDataset
from training.checks.finding import Found

DAY_ONLY = 0.95  # share of a feed's events at midnight; nobody shops only then
FEWEST = 50  # events of a feed of which that can be said
# Nobody sees twenty people at once where that is a hundredth of all that ever happened: it is the
# moment of a migration or of an export.
CROWD, CROWD_SHARE = 20, 0.01


def days_only(dataset: CheckedDataset) -> Iterator[Found]:
    """Find feeds whose times are midnights of the dataset's zone."""
    for channel, type_, count, _ in _feeds(dataset).filter(pl.col("dated")).iter_rows():
        yield Found(f"events of {channel} {type_} at midnight", count, "only the day is known")


def crowds(dataset: CheckedDataset) -> Iterator[Found]:
    """Find moments at which a crowd of customers did something at once."""
    feeds = _feeds(dataset).filter(~pl.col("dated"))
    timed = _timed(dataset).join(feeds, on=["channel", "type"], how="semi")
    moments = (
        timed.group_by("time")
        .agg(pl.len(), pl.struct(CUSTOMER).n_unique().alias("customers"))
        .filter(pl.col("customers") >= CROWD, pl.col("len") >= CROWD_SHARE * timed.height)
        .sort("len", "time", descending=[True, False])
    )
    for time, count, customers in moments.head(1).iter_rows():
        example = f"{time:%Y-%m-%d %H:%M:%S}, {customers} customers"
        yield Found("events at one moment", count, example)


def _timed(dataset: CheckedDataset) -> pl.DataFrame:
    return dataset.interactions.filter(dataset.plausible())


def _feeds(dataset: CheckedDataset) -> pl.DataFrame:
    """Return each channel and type with its `count` of events, and whether it is only `dated`."""
    local = pl.col("time").dt.convert_time_zone(dataset.metadata.zone)
    midnight = local.dt.time() == pl.time(0, 0, 0)
    enough = (pl.len() >= FEWEST) & (local.dt.date().n_unique() > 1)
    return (
        _timed(dataset)
        .group_by("channel", "type")
        .agg(
            pl.len().alias("count"),
            ((midnight.mean() >= DAY_ONLY) & enough).alias("dated"),
        )
        .sort("channel", "type")
        .select("channel", "type", "count", "dated")
    )
