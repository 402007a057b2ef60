"""What happened once and is told twice: in one more row, or under one more identifier."""

from collections.abc import Iterator

import polars as pl

from models.domain.dataset import TABLES
from training.checks.checked_dataset import CUSTOMER, CheckedDataset
from training.checks.finding import Found

# Pages that are loaded twice within a second are fewer.
REPEATED_SHARE, FEWEST_REPEATED = 0.005, 10
# Two people do the same thing at the same moment now and then; not most of what they do.
TWIN_EVENTS, TWIN_SHARE = 5, 0.5
CROWD = 4  # what more do at one moment tells nothing of any two


def rows(dataset: CheckedDataset) -> Iterator[Found]:
    """Find what customers did at one moment told twice, all of it: a feed that was read twice.

    Without time and order nothing tells two rows apart; and of a receipt, one line may stand twice.
    """
    placed = dataset.events.filter(pl.col("time").is_not_null() | pl.col("sequence").is_not_null())
    columns = [column.name for column in TABLES["events"] if column.name != "event_id"]
    used = [name for name in columns if placed[name].null_count() < placed.height]
    if not placed.height:
        return
    again = placed.filter(~placed.select(pl.struct(used).is_first_distinct()).to_series())
    fewest = max(FEWEST_REPEATED, REPEATED_SHARE * placed.height)
    if again.height < fewest:
        return
    moment = [*CUSTOMER, "time", "sequence"]
    told = placed.join(again.select(moment).unique(), on=moment, how="semi", nulls_equal=True)
    each = told.group_by(used).len("times")
    place = [name for name in moment if name in used]
    whole = each.filter(pl.col("times").min().over(place) > 1).sort(used)
    count = int((whole["times"] - 1).sum())
    if count >= fewest:
        first = whole.row(0, named=True)
        example = f"{first['type']} {first.get('item') or ''}".strip()
        yield Found("events that are told twice", count, example)


def twins(dataset: CheckedDataset) -> Iterator[Found]:
    """Find two identifiers that did the same at the same moments, item by item."""
    what = ("time", "type", "item")
    timed = dataset.interactions.select(*what, *CUSTOMER).drop_nulls().unique()
    who = timed.with_columns(pl.struct(CUSTOMER).rank("dense").alias("who"))
    shared = who.filter(pl.len().over(what).is_between(2, CROWD)).select(*what, "who")
    pairs = (
        shared.join(shared, on=list(what), suffix="_b")
        .filter(pl.col("who") < pl.col("who_b"))
        .group_by("who", "who_b")
        .len("same")
        .filter(pl.col("same") >= TWIN_EVENTS)
    )
    if not pairs.height:
        return
    totals = who.group_by("who").agg(pl.len().alias("all"), *(pl.col(n).first() for n in CUSTOMER))
    pairs = (
        pairs.join(totals, on="who")
        .join(totals, left_on="who_b", right_on="who", suffix="_b")
        .filter(pl.col("same") >= TWIN_SHARE * pl.min_horizontal("all", "all_b"))
        .sort("same", "who", "who_b", descending=[True, False, False])
    )
    if pairs.height:
        first = pairs.row(0, named=True)
        a, b = (":".join(first[name + end] for name in CUSTOMER) for end in ("", "_b"))
        found = f"pairs of identifiers with the same events ({int(pairs['same'].sum()):,})"
        yield Found(found, pairs.height, f"{a} and {b}")
