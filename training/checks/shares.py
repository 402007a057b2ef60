"""One customer or one item that is a large share of all: no person, or no article."""

from collections.abc import Iterator

import polars as pl

from training.checks.checked_dataset import CUSTOMER, CheckedDataset
from training.checks.finding import Found

FEWEST_EVENTS = 1_000  # of which a share is looked at
# Of all events: one customer of that share moves a figure by as much as its interval is wide. And
# so many times what the busiest twentieth do: people differ by much less.
CUSTOMER_SHARE, CUSTOMER_TIMES, BUSIEST = 0.03, 5, 0.95
# Of the events of a type, and so many times the third item: bestsellers fall off by much less, and
# what stands on each receipt (postage, a bag, a deposit) may be two lines.
ITEM_SHARE, ITEM_TIMES, ITEM_PLACE, FEWEST_ITEMS = 0.05, 5, 2, 20


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
    """Find items that far more events of a type are about than about others."""
    named = dataset.interactions.filter(pl.col("item").is_not_null())
    counts = named.group_by("type", "item").len().sort("type", "len", "item", descending=True)
    for (type_,), part in counts.group_by("type", maintain_order=True):
        total = int(part["len"].sum())
        if total < FEWEST_EVENTS or part.height < FEWEST_ITEMS:
            continue
        usual = part["len"][ITEM_PLACE]
        large = part.filter(
            pl.col("len") >= ITEM_SHARE * total, pl.col("len") >= ITEM_TIMES * usual
        )
        for _, item, count in large.iter_rows():
            yield Found(f"{type_} events of one item, {count / total:.0%} of all", count, item)
