"""Traffic over a store that fails: events, offers of a limited volume, and what was promised."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
from throughline.v1 import event_pb2, recommendation_pb2

from service.client import Client
from tests.support.in_process import event, loyalty

PEOPLE = 40  # whom events are about
DEADLINE = 0.5  # seconds of a Recommend
VOUCHER = "voucher"
PAUSE = 0.01  # seconds between the calls of one caller


class Traffic:
    """Calls of a few threads, and what each was told.

    `acknowledged` are the ids of the events that were acknowledged, `granted` who was shown the
    voucher, `late` how long the Recommends took that did not end within their deadline, `codes` and
    `flags` how often calls ended in each way.
    """

    def __init__(self, clients: list[Client]) -> None:
        self._clients = clients
        self._ended = threading.Event()
        self._numbers = itertools.count()
        self.acknowledged: set[str] = set()
        self.granted: set[str] = set()
        self.late: list[float] = []
        self.codes: Counter[str] = Counter()
        self.flags: Counter[int] = Counter()

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Call until the block ends."""
        threads = [
            threading.Thread(target=self._repeat, args=(call, client))
            for client in self._clients
            for call in (self._record, self._recommend)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def _repeat(self, call: Callable[[Client, int], None], client: Client) -> None:
        while not self._ended.wait(PAUSE):
            call(client, next(self._numbers))

    def _record(self, client: Client, number: int) -> None:
        event_id = f"event{number}"
        request = event_pb2.RecordEventsRequest(events=[event(event_id, f"p{number % PEOPLE}")])
        try:
            answer = client.events.RecordEvents(request, timeout=2.0)
        except grpc.RpcError as error:
            self.codes[f"RecordEvents {error.code().name}"] += 1
            return
        self.codes["RecordEvents OK"] += 1
        if answer.results[0].outcome.code == 0:
            self.acknowledged.add(event_id)

    def _recommend(self, client: Client, number: int) -> None:
        customer = f"v{number}"
        request = recommendation_pb2.RecommendRequest(
            identifiers=[loyalty(customer)],
            channel="web",
            count=10,
            include=[VOUCHER] if number % 2 else [],
            request_id=f"r{number}" if number % 3 == 0 else "",
        )
        begun = time.monotonic()
        try:
            answer = client.recommendations.Recommend(request, timeout=DEADLINE)
        except grpc.RpcError as error:
            self.codes[f"Recommend {error.code().name}"] += 1
            self.late.append(time.monotonic() - begun)
            return
        self.codes["Recommend OK"] += 1
        self.flags.update(answer.flags)
        if VOUCHER in [shown.offer_id for shown in answer.offers]:
            self.granted.add(customer)
