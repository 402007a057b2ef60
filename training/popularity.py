"""Popularity by segment: what customers with the same attribute turn to, over all channels.

A segment's shares are shrunk to those of everybody, so that a small segment says little. Where
there is time, an event counts half after each half-life.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.events import ATTRIBUTE
from models.features import DAY
from training.log import Customer, Log

MOST_SEGMENTS = 64
LEAST_CUSTOMERS = 50
HALF_LIFE = 60.0  # days
PRIOR = 1.0  # pseudo-events spread evenly over all items
SHRINK = 200.0  # pseudo-events of everybody in a segment


@dataclass(frozen=True)
class Popularity:
    """Log shares (segments, items) as float32, "" first, and positive weights (items,)."""

    segments: list[str]
    log_shares: NDArray[np.float32]
    weights: NDArray[np.float32]


def popularity(log: Log, targets: Iterable[str], items: Sequence[str]) -> Popularity:
    """Count the target events of `log` by segment, over `items`."""
    wanted = frozenset(targets)
    row_of = {item: row for row, item in enumerate(items)}
    newest = max(
        (event.time or 0 for customer in log.customers for event in customer.events), default=0
    )
    of_customer = [attributes_of(log, customer) for customer in log.customers]
    segments = _segments(of_customer)
    segment_row = {name: row for row, name in enumerate(segments)}
    counts = np.zeros((len(segments), len(items)))
    for customer, attributes in zip(log.customers, of_customer, strict=True):
        rows = [0, *(segment_row[name] for name in attributes if name in segment_row)]
        for event in customer.events:
            if event.type in wanted and event.item in row_of:
                age = 0.0 if event.time is None else (newest - event.time) / DAY
                counts[rows, row_of[event.item]] += 0.5 ** (age / HALF_LIFE)
    shares = (counts[0] + PRIOR / len(items)) / (counts[0].sum() + PRIOR)
    table = (counts + SHRINK * shares) / (counts.sum(axis=1, keepdims=True) + SHRINK)
    table[0] = shares
    weights = shares * len(items)
    return Popularity(segments, np.log(table).astype(np.float32), weights.astype(np.float32))


def attributes_of(log: Log, customer: Customer) -> list[str]:
    """Return the attributes in force after all events of a customer, each as `name=value`."""
    found: dict[str, str] = {}
    for event in customer.events:
        if log.lanes[event.type] == ATTRIBUTE:
            found.update(event.attributes)
    return [f"{name}={value}" for name, value in sorted(found.items()) if value]


def _segments(of_customer: Iterable[list[str]]) -> list[str]:
    """Return "" and the largest segments, largest first."""
    sizes: dict[str, int] = {}
    for attributes in of_customer:
        for name in attributes:
            sizes[name] = sizes.get(name, 0) + 1
    large = sorted((-size, name) for name, size in sizes.items() if size >= LEAST_CUSTOMERS)
    return ["", *(name for _, name in large[: MOST_SEGMENTS - 1])]
