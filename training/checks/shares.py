"""One customer or one item that is a large share of all: no person, or no article."""

from collections.abc import Iterator

import polars as pl

from training.checks.checked_dataset import CUSTOMER, CheckedDataset
from training.checks.finding import Found

FEWEST_EVENTS = 1_000  # of which a share is looked at
# Of all events: one customer of that share moves a figure by as much as its interval is wide. And
# so many times what the busiest twentieth do: people differ by much less.
CUSTOMER_SHARE, CUSTOMER_TIMES, BUSIEST = 0.03, 5, 0.95
# Of the receipts of several items: what stands on that many, so many times as often as the third
# item, as such lines may be two, and is hardly ever alone on one.
LINE_SHARE, LINE_TIMES, LINE_ALONE, THIRD = 0.3, 3, 0.1, 2
# Of the events of a type where there are no receipts: bestsellers of small shops reach 0.4.
ITEM_SHARE, FEWEST_ITEMS = 0.5, 20
_RECEIPT = (*CUSTOMER, "type", "time", "sequence", "receipt")


def customers(dataset: CheckedDataset) -> Iterator[Found]:
    """Find identifiers under which far more happened than under others."""
    counts = dataset.interactions.group_by(CUSTOMER).len().sort("len", *CUSTOMER, descending=True)
    total = int(counts["len"].sum())
    if total < FEWEST_EVENTS:
        return
    usual = counts["len"].quantile(BUSIEST, "lower") or 0
    large = counts.filter(
        pl.col("len") >= CUSTOMER_SHARE * total, pl.col("len") >= CUSTOMER_TIMES * usual
    )
    for namespace, identifier, count in large.iter_rows():
        who = identifier if dataset.metadata.identifiers == "plain" else f"{identifier[:8]}…"
        yield Found(f"events of one {namespace}, {count / total:.0%} of all", count, who)


def items(dataset: CheckedDataset) -> Iterator[Found]:
    """Find items that half of all events of a type are about, and lines of nearly every receipt."""
    named = dataset.interactions.filter(pl.col("item") != "")
    for (type_,), part in named.group_by("type", maintain_order=True):
        counts = part.group_by("item").len().sort("len", "item", descending=True)
        if part.height < FEWEST_EVENTS or counts.height < FEWEST_ITEMS:
            continue
        item, count = counts.row(0)
        share = count / part.height
        if share >= ITEM_SHARE:
            yield Found(f"{type_} events of one item, {share:.0%} of all", count, item)
    yield from _lines(named.filter(pl.col("time").is_not_null() | pl.col("sequence").is_not_null()))


def _lines(placed: pl.DataFrame) -> Iterator[Found]:
    lines = placed.select(*_RECEIPT, "item").unique()
    lines = lines.with_columns(pl.len().over(_RECEIPT).alias("lines"))
    receipts = lines.filter(pl.col("lines") > 1).select(_RECEIPT).n_unique()
    if receipts < FEWEST_EVENTS:
        return
    alone = (pl.col("lines") == 1).sum().alias("alone")
    counts = lines.group_by("item").agg((pl.col("lines") > 1).sum().alias("beside"), alone)
    counts = counts.sort("beside", "item", descending=True)
    usual = counts["beside"][min(THIRD, counts.height - 1)]
    large = counts.filter(
        pl.col("beside") >= LINE_SHARE * receipts,
        pl.col("beside") >= LINE_TIMES * usual,
        pl.col("alone") <= LINE_ALONE * (pl.col("alone") + pl.col("beside")),
    )
    for item, count, _ in large.iter_rows():
        yield Found(f"receipts with one item beside others, {count / receipts:.0%}", count, item)
