"""Load of `Recommend` on a real server, every answer noted: when, how long, and whether right.

Each customer has a profile version of its own, so that an answer made from another customer's state
shows itself. Some calls are cancelled in flight, as impatient callers do. Beside them the server's
health is asked, which needs no store: when that is late too, the machine was busy otherwise.
"""

import itertools
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from throughline.v1 import common_pb2, event_pb2, recommendation_pb2

from service.client import Client
from tests.support.channels import channel_to
from tests.support.in_process import event, recommend_request
from tests.support.waiting import joined

CUSTOMERS = 12
CLIENTS = 4
CALLS_PER_SECOND = 60
CANCELLED = 0.05  # share of calls
STALLED = 0.2  # of the deadline: so long a health check takes only on a busy machine


class Answer(NamedTuple):
    """One call: when it was sent, how long it took (seconds), its code and what it said."""

    sent: float
    took: float
    code: grpc.StatusCode
    flagged: bool
    right: bool
    decision_id: str


def make_known(client: Client) -> None:
    """Record events so that customer `c<n>` is at profile version n + 1."""
    for number in range(CUSTOMERS):
        for part in range(number + 1):
            request = event_pb2.RecordEventsRequest(
                events=[event(f"known{number}-{part}", f"c{number}", item_id=f"item{part}")]
            )
            (result,) = client.events.RecordEvents(request, timeout=10).results
            assert result.outcome.code == 0


class Asking:
    """What the clients were answered so far."""

    def __init__(self, address: str, deadline: float) -> None:
        """`deadline` of each call in seconds."""
        self.answers: list[Answer] = []
        self.cancelled = 0
        self._stalls: list[tuple[float, float]] = []
        self._address = address
        self._deadline = deadline
        self._ended = threading.Event()

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Keep asking while the block runs."""
        threads = [
            threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(CLIENTS)
        ]
        threads.append(threading.Thread(target=self._watch, daemon=True))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            joined(*threads)

    def between(self, since: float, until: float) -> Sequence[Answer]:
        """Return the answers to calls that were sent in that time (monotonic seconds)."""
        return [answer for answer in list(self.answers) if since <= answer.sent < until]

    def excused(self, answer: Answer) -> bool:
        """Tell whether the machine stalled while that call was under way."""
        end = answer.sent + answer.took
        return any(began < end and answer.sent < ended for began, ended in list(self._stalls))

    def _watch(self) -> None:
        with channel_to(self._address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            while not self._ended.wait(0.01):
                began = time.monotonic()
                health.Check(health_pb2.HealthCheckRequest(), timeout=30)
                ended = time.monotonic()
                if ended - began > self._deadline * STALLED:
                    self._stalls.append((began, ended))

    def _run(self, number: int) -> None:
        chance = random.Random(number)
        pace = CLIENTS / CALLS_PER_SECOND
        with channel_to(self._address) as channel:
            client = Client(channel, "the asked one", self._deadline)
            following = time.monotonic()
            for count in itertools.count(number, CLIENTS):
                if self._ended.wait(max(0.0, following - time.monotonic())):
                    return
                # No catching up in a burst: what is late was late by our own doing.
                following = max(following + pace, time.monotonic())
                self._ask(client, count % CUSTOMERS, chance)

    def _ask(self, client: Client, customer: int, chance: random.Random) -> None:
        request = recommend_request(f"c{customer}", count=5)
        sent = time.monotonic()
        call = client.recommendations.Recommend.future(request, timeout=self._deadline)
        if chance.random() < CANCELLED:
            time.sleep(chance.uniform(0.0, 0.01))
            if call.cancel():
                self.cancelled += 1
                return
        try:
            response = call.result()
        except grpc.RpcError as error:
            took = time.monotonic() - sent
            self.answers.append(Answer(sent, took, error.code(), False, True, ""))
            return
        self.answers.append(_answer(sent, response, customer))


def _answer(sent: float, response: recommendation_pb2.RecommendResponse, customer: int) -> Answer:
    flagged = common_pb2.FLAG_STATE_UNAVAILABLE in response.flags
    version = 0 if flagged else customer + 1
    return Answer(
        sent=sent,
        took=time.monotonic() - sent,
        code=grpc.StatusCode.OK,
        flagged=flagged,
        right=response.moment.profile_version == version and len(response.offers) == 5,
        decision_id=response.decision_id,
    )
