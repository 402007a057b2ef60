"""Popularity by segment: each item's share of what customers in a like situation turn to.

The shares of a segment are shrunk to those of everybody, so that a small segment differs little.
Segments by an attribute are shrunk as far as `shrinkage_strength` says, and left out where the
attribute predicts nothing. They come before all others, as nothing else is known of a new customer.
Where events have a time, the weight of an event halves every `HALF_LIFE` days.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.clock_time import DAY
from models.domain.event_types import ATTRIBUTE
from models.domain.events import Event
from models.recommender.segments import (
    EVERYBODY,
    OF_ATTRIBUTE,
    UNDATED,
    SegmentBuilder,
    SegmentPopularity,
    kind_of,
)
from training.counting.shrinkage import shrinkage_strength
from training.log.event_log import Customer, Log
from training.log.order import bound_of, is_dated

SEGMENT_LIMIT = 64
MINIMUM_CUSTOMERS = 50
HALF_LIFE = 60.0  # days
HALVES_SEED = 0  # by which customers are dealt into two halves
PRIOR = 1.0  # pseudo-events spread evenly over all items
SHRINK = 200.0  # pseudo-events of everybody in a segment that is not by an attribute


@dataclass(frozen=True)
class Popularity:
    """Popularity of items by segment.

    `log_shares` (segments, items) are natural logarithms, a row for each of `segments`, of which
    the first is `EVERYBODY`. `weights` (items,) are everybody's shares times the number of items:
    positive, 1 on average.
    """

    segments: list[str]
    log_shares: NDArray[np.float32]
    weights: NDArray[np.float32]

    @property
    def shares(self) -> SegmentPopularity:
        """Return the shares with their rows by name."""
        return SegmentPopularity(
            {name: row for row, name in enumerate(self.segments)}, self.log_shares
        )


def count_popularity(
    log: Log,
    targets: Iterable[str],
    items: Sequence[str],
    left_out: NDArray[np.bool_] | None = None,
) -> Popularity:
    """Count the target events of `log` by segment, over `items`.

    `left_out` (customers,) marks customers who do not count.
    """
    types = frozenset(targets)
    row_of = {item: row for row, item in enumerate(items)}
    newest = max(
        (event.time or 0 for customer in log.customers for event in customer.events), default=0
    )
    counted = [
        customer
        for at, customer in enumerate(log.customers)
        if left_out is None or not left_out[at]
    ]
    attributes, others = _segments(log, counted, types)
    segments = [EVERYBODY, *attributes, *others]
    segment_row = {name: row for row, name in enumerate(segments)}
    counts = np.zeros((len(segments), len(items)))
    halves = np.zeros((2, len(attributes), len(items)))
    half_of = np.random.default_rng(HALVES_SEED).integers(2, size=len(counted)).tolist()
    for half, customer in zip(half_of, counted, strict=True):
        for event, names in _targets(log, customer, types):
            if event.item in row_of:
                rows = [0, *(segment_row[name] for name in names if name in segment_row)]
                age = 0.0 if event.time is None else (newest - event.time) / DAY
                weight = 0.5 ** (age / HALF_LIFE)
                counts[rows, row_of[event.item]] += weight
                known = [row - 1 for row in rows if 0 < row <= len(attributes)]
                halves[half, known, row_of[event.item]] += weight
    shares = (counts[0] + PRIOR / len(items)) / (counts[0].sum() + PRIOR)
    shrinkage = np.full(len(segments), SHRINK)
    shrinkage[1 : 1 + len(attributes)] = _shrinkage(attributes, halves, shares)
    kept = np.flatnonzero(np.isfinite(shrinkage))[:SEGMENT_LIMIT]
    counts, shrinkage = counts[kept], shrinkage[kept, None]
    table = (counts + shrinkage * shares) / (counts.sum(axis=1, keepdims=True) + shrinkage)
    table[0] = shares
    weights = shares * len(items)
    names = [segments[row] for row in kept]
    return Popularity(names, np.log(table).astype(np.float32), weights.astype(np.float32))


def _shrinkage(
    attributes: Sequence[str], halves: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the pseudo-events of everybody in each segment, inf where it predicts nothing.

    `attributes` (segments,) are named `name=value`; `halves` (2, segments, items) count the events
    of two halves of the customers.
    """
    pseudo_events = np.empty(len(attributes))
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(attributes):
        rows_of.setdefault(name.partition("=")[0], []).append(row)
    for rows in rows_of.values():
        pseudo_events[rows] = shrinkage_strength(halves[:, rows], shares)
    return pseudo_events


def _targets(
    log: Log, customer: Customer, types: frozenset[str]
) -> Iterator[tuple[Event, list[str]]]:
    """Yield each target event with the segments of the moment before it.

    Without order, everything else that the customer did is what came before.
    """
    moment = SegmentBuilder()
    attributes: dict[str, str] = {}
    waiting: list[Event] = []  # events of one moment, none of which came before another

    def add(events: Iterable[Event]) -> None:
        for event in events:
            lane = log.event_types[event.type].lane
            if lane == ATTRIBUTE:
                attributes.update(event.attributes)
            elif log.is_interaction(event):
                ordered = bound_of(event) != UNDATED
                moment.add(lane, event.type, event.channel, event.item, ordered=ordered)

    for event in customer.events:
        if waiting and bound_of(event) != bound_of(waiting[0]):
            yield from _target_events(waiting, moment, attributes, types)
            add(event for event in waiting if is_dated(event))
            waiting = []
        waiting.append(event)
        if not is_dated(event):
            add([event])
    yield from _target_events(waiting, moment, attributes, types)


def _target_events(
    events: Sequence[Event],
    moment: SegmentBuilder,
    attributes: dict[str, str],
    types: frozenset[str],
) -> Iterator[tuple[Event, list[str]]]:
    hits = [event for event in events if event.item and event.type in types]
    names = [] if not hits else moment.names(attributes)
    for event in hits:
        yield event, names if is_dated(event) else moment.names(attributes, event.item)


def _segments(
    log: Log, customers: Iterable[Customer], types: frozenset[str]
) -> tuple[list[str], list[str]]:
    """Return the largest segments by an attribute and the largest others, each largest first.

    They do not compete for places: segments by behaviour are larger and would take them all.
    """
    sizes: dict[str, int] = {}
    for customer in customers:
        every = {name for _, names in _targets(log, customer, types) for name in names}
        for name in sorted(every):
            sizes[name] = sizes.get(name, 0) + 1
    large = sorted((-size, name) for name, size in sizes.items() if size >= MINIMUM_CUSTOMERS)
    attributes = [name for _, name in large if kind_of(name) == OF_ATTRIBUTE]
    others = [name for _, name in large if kind_of(name) != OF_ATTRIBUTE]
    return attributes[: SEGMENT_LIMIT - 1], others[: SEGMENT_LIMIT - 1]
