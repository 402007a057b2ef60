"""Segments: what a customer is and does at a moment, as names that an item's share is counted by.

A name is an attribute (`region=north`), something bought before (`bought:ITEM`), or what was done
since the latest purchase, all in one (`visit:call@call_center=1,session@web=3`).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from models.domain.event_types import BROWSE, CART, PURCHASE, RESPONSE
from models.domain.view import View
from models.numeric.array_types import Floats, Rows
from models.numeric.compiled import compiled

EVERYBODY = ""
BOUGHT, VISIT = "bought:", "visit:"
OF_ATTRIBUTE = "attribute"  # the kind of every other name
UNDATED = (0, 0)  # rank and place of what has neither time nor sequence
TIMES_LIMIT = 3  # of one kind of event in a visit; more counts as this many


class SegmentBuilder:
    """What a customer did up to a moment, grown event by event in canonical order."""

    def __init__(self) -> None:
        self._bought: dict[str, None] = {}
        self._visit: dict[str, int] = {}

    def add(self, lane: str, kind: str, channel: str, item: str, *, ordered: bool) -> None:
        """Add an event; without order it is part of no visit."""
        if lane == PURCHASE:
            self._visit.clear()
            if item:
                self._bought[f"{BOUGHT}{item}"] = None
        elif ordered:
            name = f"{kind}@{channel}"
            self._visit[name] = min(TIMES_LIMIT, self._visit.get(name, 0) + 1)

    def names(self, attributes: Mapping[str, str], without: str = "") -> list[str]:
        """Return the segments of the moment, as if the item `without` had not been bought."""
        names = [f"{name}={value}" for name, value in attributes.items() if value]
        names += [name for name in self._bought if name != f"{BOUGHT}{without}"]
        visit = ",".join(f"{name}={times}" for name, times in sorted(self._visit.items()))
        return [*names, f"{VISIT}{visit}"]


def segments_of(view: View) -> list[str]:
    """Return the segments of a customer as a decision sees it."""
    builder, latest = SegmentBuilder(), None
    for latest in view.lanes.get(PURCHASE, ()):
        builder.add(PURCHASE, latest.type, latest.channel, latest.item, ordered=True)
    for lane in (BROWSE, CART, RESPONSE):
        for entry in reversed(view.lanes.get(lane, ())):
            if latest is not None and entry < latest:
                break  # before the latest purchase, as is all that follows
            ordered = (entry.rank, entry.at) != UNDATED
            builder.add(lane, entry.type, entry.channel, entry.item, ordered=ordered)
    return builder.names(view.attributes)


class SegmentPopularity(NamedTuple):
    """The natural log of each item's share of what a segment turns to.

    `logs` is (segments, items), everybody first; `row_of` maps the names of segments to its rows.
    """

    row_of: Mapping[str, int]
    logs: Floats


def segment_popularity(shares: SegmentPopularity, segments: Iterable[str], rows: Rows) -> Floats:
    """Return for each item row its log share, plus how much more its segments turn to it.

    Segments of one kind say much the same: their differences are summed over the root of how many
    they are. Kinds are taken as if each said something of its own.
    """
    by_kind: dict[str, list[int]] = {}
    for name in segments:
        row = shares.row_of.get(name)
        if row is not None:
            by_kind.setdefault(kind_of(name), []).append(row)
    known = [row for kind in by_kind.values() for row in kind]
    sizes = [len(kind) for kind in by_kind.values()]
    return _popularity(
        shares.logs,
        rows,
        np.array(known, np.int64),
        np.array(sizes, np.int64),
        np.array([size**-0.5 for size in sizes], np.float32),
    )


@compiled("float32[::1](float32[:,::1], int64[::1], int64[::1], int64[::1], float32[::1])")
def _popularity(logs: Floats, rows: Rows, known: Rows, sizes: Rows, weights: Floats) -> Floats:
    """Sum differences to everybody, row 0, over the `known` rows, one kind after the other."""
    found = np.empty(rows.size, np.float32)
    for i in range(rows.size):
        row = rows[i]
        everybody, at = logs[0, row], 0
        total = everybody
        for kind in range(sizes.size):
            more = np.float32(0.0)
            for _ in range(sizes[kind]):
                more += logs[known[at], row] - everybody
                at += 1
            total += more * weights[kind]
        found[i] = total
    return found


def kind_of(name: str) -> str:
    """Return what a segment tells of: `BOUGHT`, `VISIT` or `OF_ATTRIBUTE`."""
    return next((kind for kind in (BOUGHT, VISIT) if name.startswith(kind)), OF_ATTRIBUTE)
