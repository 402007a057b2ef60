"""Counts in plain numbers on the path of a call, moved to the metrics that are exported later.

A counter of the metrics library takes 0.5 us, and 1.5 us where several workers are exported
together (their values are in mapped files); a decision has some twenty to count. Here a count is an
addition under one lock, and what has gathered is moved once a second, or when somebody looks.
"""

import threading
from bisect import bisect_left
from collections.abc import Sequence

from prometheus_client import Counter, Histogram

NANOSECONDS = 1_000_000_000  # in a second


class DurationHistogram(Histogram):
    """A histogram of seconds that takes many observations at once."""

    @property
    def bounds(self) -> list[float]:
        """Return the upper bounds of the buckets that have one."""
        return list(self._upper_bounds[:-1])

    def add(self, counts: Sequence[int], seconds: float) -> None:
        """Add how many fell into each bucket, the last one without a bound, and their sum."""
        self._sum.inc(seconds)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


class Count:
    """A number of times; add to `number` under the tally's lock."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


class Durations:
    """Durations by bucket, in nanoseconds; `add` under the tally's lock."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: Sequence[int]) -> None:
        self._bounds = bounds
        self._total = 0
        self._counts = [0] * (len(bounds) + 1)

    def add(self, nanoseconds: int) -> None:
        """Add one."""
        self._counts[bisect_left(self._bounds, nanoseconds)] += 1
        self._total += nanoseconds

    def take(self) -> tuple[list[int], int]:
        """Return the counts by bucket and the sum, and begin anew."""
        taken = self._counts, self._total
        self._counts, self._total = [0] * len(self._counts), 0
        return taken


class Tally:
    """All counts of a process that are on the path of a call, under one `lock`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._counts: list[tuple[Count, Counter]] = []
        self._durations: list[tuple[Durations, DurationHistogram]] = []

    def count(self, exported: Counter) -> Count:
        """Return what counts for a counter without labels, or for one child of it."""
        made = Count()
        with self.lock:
            self._counts.append((made, exported))
        return made

    def durations(self, exported: DurationHistogram) -> Durations:
        """Return what measures for a histogram without labels, or for one child of it."""
        made = Durations([round(bound * NANOSECONDS) for bound in exported.bounds])
        with self.lock:
            self._durations.append((made, exported))
        return made

    def flush(self) -> None:
        """Move what has gathered to the exported metrics."""
        counts: list[tuple[Counter, int]] = []
        durations: list[tuple[DurationHistogram, tuple[list[int], int]]] = []
        with self.lock:
            for count, counter in self._counts:
                if count.number:
                    counts.append((counter, count.number))
                    count.number = 0
            durations.extend((histogram, kept.take()) for kept, histogram in self._durations)
        for counter, number in counts:
            counter.inc(number)
        for histogram, (numbers, nanoseconds) in durations:
            if any(numbers):
                histogram.add(numbers, nanoseconds / NANOSECONDS)
