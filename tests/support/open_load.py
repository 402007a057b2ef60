"""Calls offered at a rate, whatever becomes of them: an open loop, in a process of its own.

A caller who waits for one answer before the next call slows down with the server, and so hides
what a crowd of callers would see. Here every call has its time; what is not sent in time is sent
late, and its lateness counts.
"""

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import grpc

CONNECTIONS = 4
NICE = 10  # of what is not measured but only loads


class Load(NamedTuple):
    """What is called: `Service/Method` with these requests in turn, each with that deadline.

    `rate` is in calls a second; 0: a closed loop of as many calls at once as `at_once`.
    """

    method: str
    requests: Sequence[bytes]
    rate: float
    deadline: float
    at_once: int = 0


class Offered(NamedTuple):
    """What became of the calls: how many were sent, how many ended with each code.

    `took` holds the seconds of those answered OK, ascending, from when each was due.
    """

    seconds: float
    sent: int
    codes: Counter[str]
    took: list[float]

    def good(self, within: float) -> int:
        """Return how many were answered OK within that many seconds of when they were due."""
        return sum(taken <= within for taken in self.took)

    def quantile(self, share: float) -> float:
        """Return the seconds within which that share of the answered were answered."""
        return self.took[min(len(self.took) - 1, int(len(self.took) * share))] if self.took else 0.0


def offer(address: str, load: Load, seconds: float) -> Offered:
    """Offer a load from this process."""
    with _calls(address, load) as calls:
        return _open(calls, load, seconds) if load.rate else _closed(calls, load, seconds)


@contextmanager
def offered_beside(address: str, load: Load, core: int) -> Iterator[None]:
    """Offer a load from another process, with less right to the core, while the block runs."""
    with _process(_beside, address, load, core, NICE) as ours:
        assert ours.recv() == "begun"
        yield


def offer_from(core: int, address: str, load: Load, seconds: float) -> Offered:
    """Offer a load from another process on that core."""
    with _process(_measured, address, load, core, seconds) as ours:
        found: Offered = ours.recv()
        return found


@contextmanager
def _process(target: Any, *arguments: object) -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")  # gRPC does not survive a fork
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.kill()
        process.join()
        ours.close()


def _beside(parent: Connection, address: str, load: Load, core: int, nice: int) -> None:
    os.sched_setaffinity(0, [core])
    os.nice(nice)
    with _calls(address, load) as calls:
        parent.send("begun")
        (_open if load.rate else _closed)(calls, load, 3_600.0)


def _measured(parent: Connection, address: str, load: Load, core: int, seconds: float) -> None:
    os.sched_setaffinity(0, [core])
    parent.send(offer(address, load, seconds))


@contextmanager
def _calls(address: str, load: Load) -> Iterator[list[Any]]:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    channels = [grpc.insecure_channel(address, options) for _ in range(CONNECTIONS)]
    for channel in channels:
        grpc.channel_ready_future(channel).result(60)
    try:
        yield [channel.unary_unary(f"/throughline.v1.{load.method}") for channel in channels]
    finally:
        for channel in channels:
            channel.close()


def _open(calls: list[Any], load: Load, seconds: float) -> Offered:
    codes: Counter[str] = Counter()
    took: list[float] = []
    begin, sent = time.monotonic(), 0
    waiting: set[Any] = set()
    while (due := begin + sent / load.rate) < begin + seconds:
        with suppress(ValueError):  # it is late already
            time.sleep(due - time.monotonic())
        request = load.requests[sent % len(load.requests)]
        # Late by our own doing is late for whoever waits.
        left = load.deadline - (time.monotonic() - due)
        call = calls[sent % len(calls)].future(request, timeout=max(left, 0.0))
        waiting.add(call)
        call.add_done_callback(lambda one, due=due: _note(one, due, codes, took, waiting))
        sent += 1
    end = time.monotonic() + load.deadline + 1
    while waiting and time.monotonic() < end:
        time.sleep(0.01)
    return Offered(seconds, sent, codes, sorted(took))


def _closed(calls: list[Any], load: Load, seconds: float) -> Offered:
    codes: Counter[str] = Counter()
    took: list[float] = []
    waiting: set[Any] = set()
    begin, sent = time.monotonic(), 0
    while time.monotonic() < begin + seconds:
        if len(waiting) >= load.at_once:
            time.sleep(0.0005)
            continue
        due = time.monotonic()
        request = load.requests[sent % len(load.requests)]
        call = calls[sent % len(calls)].future(request, timeout=load.deadline)
        waiting.add(call)
        call.add_done_callback(lambda one, due=due: _note(one, due, codes, took, waiting))
        sent += 1
    for call in list(waiting):
        call.cancel()
    return Offered(time.monotonic() - begin, sent, codes, sorted(took))


def _note(call: Any, due: float, codes: Counter[str], took: list[float], waiting: set[Any]) -> None:
    code = call.code()
    codes[code.name] += 1
    if code is grpc.StatusCode.OK:
        took.append(time.monotonic() - due)
    waiting.discard(call)
