"""Calls to several servers in turn, and what CPU each server spent on them."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import grpc
from throughline.v1 import common_pb2
from throughline.v1 import recommendation_pb2 as pb

from bench import processes

IN_FLIGHT = 16
SLICES = 10  # of a round: the speed of a shared machine changes within a second


class Caller:
    """Calls a server's Recommend with requests made before, a number at a time."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
        self._call: Any = self._channel.unary_unary(
            "/throughline.v1.RecommendationService/Recommend"
        )
        self._requests = requests
        self._at = 0

    def run(self, calls: int) -> None:
        """Make calls, `IN_FLIGHT` at once; raises when one fails."""
        waiting: deque[Any] = deque()
        for _ in range(calls):
            if len(waiting) == IN_FLIGHT:
                waiting.popleft().result()
            waiting.append(self._call.future(self._next(), timeout=30))
        while waiting:
            waiting.popleft().result()

    def answer(self) -> pb.RecommendResponse:
        """Make one call and return its answer."""
        return pb.RecommendResponse.FromString(self._call(self._next(), timeout=30))

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _next(self) -> bytes:
        self._at += 1
        return self._requests[self._at % len(self._requests)]


def requests_of(customers: Sequence[str]) -> list[bytes]:
    """Return a request for ten offers for each customer."""
    return [
        pb.RecommendRequest(
            identifiers=[common_pb2.Identifier(namespace="loyalty", value=who)],
            channel="web",
            placement="home_hero",
            count=10,
        ).SerializeToString()
        for who in customers
    ]


def cpu_of_calls(
    servers: Sequence[processes.Server], requests: Sequence[bytes], rounds: int, calls: int
) -> list[list[float]]:
    """Return the CPU microseconds of a call in each round, of each server: an echo and services.

    Calls are made from one core, the other one where there are two.
    """
    _, other = processes.cores()
    with processes.pinned(other):
        callers = [Caller(server.port, requests) for server in servers]
        for caller in callers[1:]:
            answer = caller.answer()
            assert len(answer.offers) == 10, answer
            assert common_pb2.FLAG_COLD_START not in answer.flags, answer.flags
        for caller in callers:
            caller.run(calls)  # a warm-up, not counted
        spent = [_round(servers, callers, calls // SLICES) for _ in range(rounds)]
        for caller in callers:
            caller.close()
    return [list(each) for each in zip(*spent, strict=True)]


def _round(
    servers: Sequence[processes.Server], callers: Sequence[Caller], each: int
) -> list[float]:
    """Return the CPU microseconds of a call to each server, `each` of them to a slice."""
    used = [0.0] * len(servers)
    echo, *services = range(len(servers))
    for turn in range(SLICES):
        # Every other time the other way round, so that no service always comes after the same one.
        for at in (echo, *services[:: -1 if turn % 2 else 1]):
            before = servers[at].cpu_seconds()
            callers[at].run(each)
            used[at] += servers[at].cpu_seconds() - before
    return [seconds / (each * SLICES) * 1e6 for seconds in used]
