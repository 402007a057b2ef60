"""Each kind of call has its places, and what can wait gives way to what cannot."""

import threading
import time
from concurrent.futures import Future
from typing import Any

import pytest

from service.config.settings import read_settings
from service.contract.errors import Overloaded
from service.rpc.admission import CALLS_PER_THREAD, GIVE_WAY_SECONDS, PART_SECONDS, Bulkhead
from service.rpc.kinds import LONGEST, bulkheads, kind_of
from service.rpc.open_calls import OpenCalls
from tests.support.refusals import METHODS
from tests.support.waiting import PATIENCE, eventually


def test_every_method_has_a_kind_with_threads_and_a_longest_time() -> None:
    """Each method of the contract is of a kind, and those of one service need not be of one."""
    held = bulkheads(read_settings())
    assert set(held) == set(LONGEST)
    assert {kind_of(method) for method in METHODS} == set(held) - {"health", "reflection"}
    assert kind_of("RecommendationService/CheckOffer") == "decide"
    assert kind_of("RecommendationService/RecommendBatch") == "bulk"
    for bulkhead in held.values():
        bulkhead.shutdown()


def test_places_are_counted_until_a_call_has_ended() -> None:
    """A bulkhead is full with eight calls for each thread, and counts those that ended."""
    leave = threading.Event()
    bulkhead = Bulkhead("test", 2)
    calls: list[Future[bool]] = []
    while not bulkhead.full:
        calls.append(bulkhead.submit(leave.wait, PATIENCE))
    assert len(calls) == bulkhead.inside == 2 * CALLS_PER_THREAD
    leave.set()
    assert all(call.result() for call in calls)
    assert eventually(lambda: bulkhead.inside == 0)
    assert bulkhead.ended == len(calls)
    bulkhead.shutdown()
    with pytest.raises(RuntimeError):
        bulkhead.submit(leave.wait)
    assert bulkhead.inside == 0


def test_what_can_wait_begins_when_nobody_urgent_is_inside() -> None:
    """A call of the kind behind waits for those in front, and no longer than it must."""
    first = Bulkhead("first", 1)
    second = Bulkhead("second", 1, first)
    leave = threading.Event()
    urgent = first.submit(leave.wait, PATIENCE)
    begun = time.monotonic()
    assert second.submit(time.monotonic).result() - begun >= GIVE_WAY_SECONDS * 0.9
    leave.set()
    assert urgent.result()
    assert eventually(lambda: first.inside == 0)
    begun = time.monotonic()
    assert second.submit(time.monotonic).result() - begun < PATIENCE / 100
    for bulkhead in (first, second):
        bulkhead.shutdown()


def test_a_part_of_the_work_is_done_under_any_load() -> None:
    """Work that gives way at each step goes on for a part of the time while calls stay inside."""
    first = Bulkhead("first", 1)
    second = Bulkhead("second", 1, first)
    leave = threading.Event()
    urgent = first.submit(leave.wait, PATIENCE)

    def steps() -> int:
        done = 0
        end = time.monotonic() + 20 * GIVE_WAY_SECONDS
        while time.monotonic() < end:
            second.give_way()
            time.sleep(PART_SECONDS / 4)
            done += 1
        return done

    slowed = second.submit(steps).result()
    leave.set()
    assert urgent.result()
    assert slowed >= 10
    assert second.submit(steps).result() > 2 * slowed
    for bulkhead in (first, second):
        bulkhead.shutdown()


class _Context:
    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


def test_open_calls_are_bounded_in_number_and_time() -> None:
    """Beyond the limit a call is refused; one that has been open for too long is cancelled."""
    calls = OpenCalls(2, 0.05)
    contexts: list[Any] = [_Context() for _ in range(3)]
    for context in contexts[:2]:
        calls.enter(context)
    with pytest.raises(Overloaded):
        calls.enter(contexts[2])
    calls.leave(contexts[0])
    calls.enter(contexts[2])
    calls.end_overdue()
    assert not contexts[1].cancelled
    time.sleep(0.1)
    calls.end_overdue()
    assert [context.cancelled for context in contexts] == [False, True, True]
