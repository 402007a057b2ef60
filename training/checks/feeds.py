"""Feeds that fell silent: days without events where there were some nearly every such day.

A feed is what customers do of their own accord: all of it, on one channel, or of one type on a
channel. Contacts and responses are none, as campaigns come and go. How surprising a silence is
follows from the feed's other weeks: with p the share of silent days among its other Mondays,
Tuesdays, ..., it had the chance of the product of p over its days. So a shop that is shut on
Sundays surprises nobody.
"""

from collections.abc import Iterator
from math import log
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.domain.event_types import BROWSE, CART, PURCHASE
from training.checks.checked_dataset import CheckedDataset
from training.checks.finding import Found

CHANCE = 1e-6  # of a silence that is told: once in a thousand logs of a thousand silences
SHORTEST = 3  # days; a shop may be shut over a feast
KNOWN_DAYS = 10  # with events before a silence: a trial is no feed yet
# A feed that has events on fewer of its usual days comes in bursts, which no such chance describes.
REGULAR = 0.8
USUAL = 0.5  # share of a weekday's days with events, from which it is a usual one
# Of the latest events: the log's end is where these begin, so that a few late times do not move it.
LATEST = 0.999


class Silence(NamedTuple):
    """Days (since 1970) without events of a feed, `end` excluded; `last`: it did not go on."""

    start: int
    end: int
    last: bool


def gaps(dataset: CheckedDataset) -> Iterator[Found]:
    """Find silences after which a feed goes on."""
    return (found for found, silence in _silent_feeds(dataset) if not silence.last)


def stops(dataset: CheckedDataset) -> Iterator[Found]:
    """Find feeds that end before the log does."""
    return (found for found, silence in _silent_feeds(dataset) if silence.last)


def _silent_feeds(dataset: CheckedDataset) -> Iterator[tuple[Found, Silence]]:
    """Yield surprising silences, each for the widest feed alone that it is one of."""
    days = dataset.days
    if not days.height:
        return
    up_to = days["len"].cum_sum()
    end = int(days["day"].filter(up_to >= LATEST * up_to[-1])[0])
    own = days.filter(pl.col("type").is_in(dataset.types_in((BROWSE, CART, PURCHASE))))
    told: list[tuple[tuple[str, ...], Silence]] = []
    for columns in ((), ("channel",), ("channel", "type")):
        keys = pl.concat_list(columns) if columns else pl.lit([], dtype=pl.List(pl.String))
        feeds = own.select("day", keys.alias("feed")).unique().group_by("feed").agg("day")
        for feed, active in feeds.sort("feed").iter_rows():
            for silence in silences(np.array(active), end):
                if not any(_within(tuple(feed), silence, *wider) for wider in told):
                    told.append((tuple(feed), silence))
                    yield _found(feed, silence), silence


def silences(active: NDArray[np.int64], end: int) -> Iterator[Silence]:
    """Yield the surprising silences of a feed with events on the days `active`, up to day `end`."""
    first, last = int(active.min()), int(active.max())
    days = np.arange(first, max(last, end) + 1)
    silent = ~np.isin(days, active)
    weekday = days % 7
    # As runs: where silence begins and ends.
    edges = np.flatnonzero(np.diff(np.concatenate(([False], silent, [False])).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2):
        if stop - start < SHORTEST or start - silent[:start].sum() < KNOWN_DAYS:
            continue
        others = np.ones(len(days), dtype=bool)
        others[start:stop] = False
        counts = np.bincount(weekday[others], minlength=7)
        empty = np.bincount(weekday[others & silent], minlength=7)
        shares = 1 - empty / np.maximum(counts, 1)
        usual = shares >= USUAL
        if not usual.any() or shares[usual].mean() < REGULAR:
            continue
        # One silent day more than there were, in one more: so few weeks are no certainty.
        chance = np.log((empty + 1) / (counts + 2))[weekday[start:stop]].sum()
        if chance < log(CHANCE):
            yield Silence(first + int(start), first + int(stop), bool(stop == len(days)))


def _within(
    feed: tuple[str, ...], silence: Silence, wider: tuple[str, ...], known: Silence
) -> bool:
    overlap = silence.start < known.end and known.start < silence.end
    return feed[: len(wider)] == wider and overlap


def _found(feed: list[str], silence: Silence) -> Found:
    name = " ".join(feed) or "the whole log"
    days = np.array([silence.start, silence.end - 1], dtype="datetime64[D]")
    what = f"days without events of {name}" + (", to the end" if silence.last else "")
    return Found(what, silence.end - silence.start, f"{days[0]} to {days[1]}")
