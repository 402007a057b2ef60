"""Plain counts come to the same as the metrics library's own, whatever threads do."""

import threading

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram

from service.metrics.tally import NANOSECONDS, DurationHistogram, Tally
from tests.support.waiting import joined

BOUNDS = (0.0002, 0.001, 0.5)
EDGES = [round(bound * NANOSECONDS) + step for bound in BOUNDS for step in (-1, 0, 1)]


@given(st.lists(st.one_of(st.sampled_from(EDGES), st.integers(0, 2 * NANOSECONDS))))
def test_durations_are_as_if_observed_one_by_one(nanoseconds: list[int]) -> None:
    """Buckets and sum are those of a histogram that was told each duration, edges included."""
    wanted, made = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram("seconds", "x", buckets=BOUNDS, registry=wanted)
    tally = Tally()
    durations = tally.durations(DurationHistogram("seconds", "x", buckets=BOUNDS, registry=made))
    for number, one in enumerate(nanoseconds):
        histogram.observe(one / NANOSECONDS)
        with tally.lock:
            durations.add(one)
        if number % 3 == 0:
            tally.flush()
    tally.flush()
    for expected, got in zip(wanted.collect(), made.collect(), strict=True):
        for a, b in zip(expected.samples, got.samples, strict=True):
            assert (a.name, a.labels) == (b.name, b.labels)
            assert abs(a.value - b.value) < 1e-9


def test_nothing_is_lost_between_threads() -> None:
    """What eight threads count while another one moves it adds up exactly."""
    registry = CollectorRegistry()
    tally = Tally()
    count = tally.count(Counter("calls", "x", registry=registry))
    done = threading.Event()

    def add() -> None:
        for _ in range(5_000):
            with tally.lock:
                count.number += 1

    def flush() -> None:
        while not done.is_set():
            tally.flush()

    adding = [threading.Thread(target=add, daemon=True) for _ in range(8)]
    flushing = [threading.Thread(target=flush, daemon=True) for _ in range(2)]
    for thread in (*flushing, *adding):
        thread.start()
    joined(*adding)
    done.set()
    joined(*flushing)
    tally.flush()
    assert registry.get_sample_value("calls_total") == 40_000
