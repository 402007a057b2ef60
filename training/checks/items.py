"""Items that events and the table of items do not share, that lack features, or are no article."""

from collections.abc import Iterator

import polars as pl

from training.checks.checked_dataset import CheckedDataset
from training.checks.finding import Found

# A few events are about what was delisted since; more than this, two files write ids differently.
UNKNOWN_SHARE = 0.01
DESCRIBED = 0.5  # share of the items with features from which the others are a lack
UNSEEN = 0.5
# What is written with digits throughout, such as 85123A beside POSTAGE, has other ids for what is
# no article.
NUMBERED = 0.95


def unknown(dataset: CheckedDataset) -> Iterator[Found]:
    """Find events about items that the table of items does not have, where there is one."""
    items = dataset.table("items")
    if items.height:
        about = dataset.items_of_events.join(items, on="item", how="anti")
        yield from _many(dataset, about, "events about items that are not in the items")


def undescribed(dataset: CheckedDataset) -> Iterator[Found]:
    """Find events about items without features, where most items have some."""
    items = dataset.table("items")
    bare = items.filter(pl.col("features").is_null() | (pl.col("features") == "{}"))
    if bare.height <= (1 - DESCRIBED) * items.height:
        about = dataset.items_of_events.join(bare, on="item", how="semi")
        yield from _many(dataset, about, "events about items without features")


def never_seen(dataset: CheckedDataset) -> Iterator[Found]:
    """Find that most items occur in no event."""
    items = dataset.table("items")
    unseen = items.join(dataset.items_of_events, on="item", how="anti")
    if unseen.height and unseen.height >= UNSEEN * items.height:
        share = unseen.height / items.height
        yield Found(
            f"items that no event is about, {share:.0%} of all", unseen.height, unseen["item"][0]
        )


def no_articles(dataset: CheckedDataset) -> Iterator[Found]:
    """Find items whose id has no digit, where nearly all have one."""
    items = dataset.items_of_events
    odd = items.filter(~pl.col("item").str.contains("[0-9]")).sort("len", descending=True)
    if odd.height and odd.height <= (1 - NUMBERED) * items.height:
        yield Found("items whose id has no digit, unlike the rest", odd.height, odd["item"][0])


def _many(dataset: CheckedDataset, about: pl.DataFrame, what: str) -> Iterator[Found]:
    total, count = int(dataset.items_of_events["len"].sum()), int(about["len"].sum())
    if count and count >= UNKNOWN_SHARE * total:
        example = about.sort("len", "item", descending=True)["item"][0]
        yield Found(f"{what}, {count / total:.0%} of all", count, example)
