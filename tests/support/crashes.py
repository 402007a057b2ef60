"""Clients that record events while service and store are killed, and the checker of their history.

The clients are as ours should be: they send again, with the same event ids, whatever was not
acknowledged. Every call is noted with what its sender knows of it; the checker then counts from the
exported log and from the profiles what became of each event.
"""

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import grpc
import pyarrow.parquet as pq
from throughline.v1 import customer_pb2, event_pb2

from models.domain.identifiers import Identifier, hash_identifier
from service.client import Client
from tests.support.channels import channel_to
from tests.support.in_process import event, loyalty
from tests.support.server_processes import KEY, Served, run_command

CLIENTS = 4
CUSTOMERS = 60  # so few that clients meet, and that a profile forgets the ids of old events
TYPES = ("view", "add_to_cart", "purchase", "impression", "click")
AGAIN = 0.1  # share of acknowledged calls that are sent again on purpose
GIVEN_UP = 0.05  # share of calls that are not sent again when their outcome is unknown
CALL_SECONDS = 10.0
GIVE_UP_SECONDS = 600.0
PAUSE = (0.05, 0.3)  # seconds before a call is sent again


RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class Known(Enum):
    """What a sender knows of a call."""

    ACKNOWLEDGED = "acknowledged"
    UNKNOWN = "unknown"


class Operation(NamedTuple):
    """One call: who sent which events when (monotonic seconds), and what is known of it."""

    client: int
    events: tuple[str, ...]
    sent: float
    ended: float
    known: Known
    again: bool
    duplicates: int


class Told(NamedTuple):
    """What a checker found; every list but `unknown` must be empty."""

    acknowledged: int
    unknown: int
    missing: list[str]
    twice: list[str]
    half: list[tuple[str, ...]]
    disagreeing: list[str]
    invented: list[str]
    forgotten: list[tuple[str, ...]]


@dataclass(frozen=True)
class Call:
    """Events that are sent together."""

    messages: tuple[event_pb2.Event, ...]
    given_up: bool
    again: bool

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the ids of its events."""
        return tuple(message.event_id for message in self.messages)


def planned(events: int, seed: int) -> list[Call]:
    """Return calls of one to four events, `events` in all."""
    chance = random.Random(seed)
    calls: list[Call] = []
    made = 0
    while made < events:
        size = min(chance.randint(1, 4), events - made)
        chosen = [f"c{chance.randrange(CUSTOMERS)}" for _ in range(chance.randint(1, 2))]
        messages = tuple(
            event(
                f"e{made + part}",
                chance.choice(chosen),
                chance.choice(TYPES),
                item_id=f"item{chance.randrange(40)}",
            )
            for part in range(size)
        )
        calls.append(Call(messages, chance.random() < GIVEN_UP, chance.random() < AGAIN))
        made += size
    return calls


class Senders:
    """Four clients over connections of their own, who share the calls that were released."""

    def __init__(self, address: str) -> None:
        self.history: list[Operation] = []
        self.refusals: deque[str] = deque(maxlen=CLIENTS)
        self._address = address
        self._calls: deque[Call] = deque()
        self._lock = threading.Condition()
        self._ended = False
        self._acknowledged = 0
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._running = [self._pool.submit(self._run, number) for number in range(CLIENTS)]

    def release(self, calls: Sequence[Call]) -> None:
        """Let the clients send these calls."""
        with self._lock:
            self._calls.extend(calls)
            self._lock.notify_all()

    def wait_for(self, acknowledged: int) -> None:
        """Wait until so many events, of all that were sent, are acknowledged."""
        with self._lock:
            assert self._lock.wait_for(
                lambda: self._acknowledged >= acknowledged or self._failed(), GIVE_UP_SECONDS
            )

    def finish(self) -> None:
        """Wait until every call is acknowledged or given up."""
        with self._lock:
            self._ended = True
            self._lock.notify_all()
        for running in self._running:
            running.result(timeout=GIVE_UP_SECONDS)
        self._pool.shutdown()

    @property
    def acknowledged(self) -> int:
        """How many events are acknowledged."""
        return self._acknowledged

    def _failed(self) -> bool:
        return any(running.done() for running in self._running)

    def _run(self, number: int) -> None:
        with channel_to(self._address) as channel:
            client = Client(channel, "the killed one", CALL_SECONDS)
            while (call := self._next()) is not None:
                self._deliver(client, number, call)

    def _next(self) -> Call | None:
        with self._lock:
            self._lock.wait_for(lambda: self._calls or self._ended)
            return self._calls.popleft() if self._calls else None

    def _deliver(self, client: Client, number: int, call: Call) -> None:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while not self._sent(client, number, call, again=False):
            if call.given_up:
                return
            assert time.monotonic() < deadline, f"never acknowledged: {self.refusals[-1]}"
            time.sleep(random.uniform(*PAUSE))
        with self._lock:
            self._acknowledged += len(call.messages)
            self._lock.notify_all()
        if call.again:
            self._sent(client, number, call, again=True)

    def _sent(self, client: Client, number: int, call: Call, again: bool) -> bool:
        request = event_pb2.RecordEventsRequest(events=call.messages)
        sent = time.monotonic()
        duplicates = 0
        try:
            answer = client.events.RecordEvents(request, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            if error.code() not in RETRIED:
                raise
            known = Known.UNKNOWN
            self.refusals.append(f"{error.code()}: {error.details()}")
        else:
            codes = {result.outcome.code for result in answer.results}
            assert codes <= {0, grpc.StatusCode.UNAVAILABLE.value[0]}, answer
            known = Known.ACKNOWLEDGED if codes == {0} else Known.UNKNOWN
            duplicates = sum(result.duplicate for result in answer.results)
        self.history.append(
            Operation(number, call.ids, sent, time.monotonic(), known, again, duplicates)
        )
        return known is Known.ACKNOWLEDGED


def crash(
    service: Served,
    events: int,
    kills: Sequence[Callable[[], None]],
    seed: int = 1,
) -> tuple[list[Call], list[Operation]]:
    """Record `events` events while each of `kills` happens at a moment of its own.

    A kill ends when what it killed is up again. Returns the calls and the history.
    """
    chance = random.Random(seed)
    calls = planned(events, seed)
    senders = Senders(service.address)
    share = -(-len(calls) // len(kills))
    for number, kill in enumerate(kills):
        part = calls[number * share : (number + 1) * share]
        before = senders.acknowledged
        senders.release(part)
        size = sum(len(call.messages) for call in part)
        senders.wait_for(before + chance.randint(1, max(1, int(size * 0.7))))
        time.sleep(chance.uniform(0.0, 0.02))
        kill()
    senders.finish()
    return calls, senders.history


def check(
    directory: Path, service: Served, store: str, calls: Sequence[Call],
    history: Sequence[Operation],
) -> Told:  # fmt: skip
    """Count what became of each event, in the exported log and in the profiles."""
    done = run_command(
        directory,
        *("log", "export", "--store", store, "--out", str(directory / "export")),
        environment={"THROUGHLINE_KEY": KEY},
    )
    assert done.returncode == 0, done.stderr
    table = pq.read_table(directory / "export" / "events.parquet")
    columns = [table.column(name).to_pylist() for name in ("event_id", "identifier", "type")]
    logged = Counter(columns[0])
    sent = {message.event_id: message for call in calls for message in call.messages}
    acknowledged = {
        event_id for one in history if one.known is Known.ACKNOWLEDGED for event_id in one.events
    }
    tried = {event_id for one in history for event_id in one.events}
    counts: dict[str, Counter[str]] = {}
    for _, value, type_ in zip(*columns, strict=True):
        counts.setdefault(value, Counter())[type_] += 1
    return Told(
        acknowledged=len(acknowledged),
        unknown=len(tried - acknowledged),
        missing=sorted(acknowledged - logged.keys()),
        twice=sorted(event_id for event_id, number in logged.items() if number > 1),
        half=[ids for call in calls for ids in _of_one_customer(call) if _is_half(ids, logged)],
        disagreeing=_disagreeing(service, counts),
        invented=sorted(
            event_id
            for event_id, value in zip(columns[0], columns[1], strict=True)
            if event_id not in tried or _hash(sent[event_id].identifier.value) != value
        ),
        forgotten=[one.events for one in history if one.again and _is_forgotten(one)],
    )


def _of_one_customer(call: Call) -> list[tuple[str, ...]]:
    groups: dict[str, list[str]] = {}
    for message in call.messages:
        groups.setdefault(message.identifier.value, []).append(message.event_id)
    return [tuple(group) for group in groups.values()]


def _is_half(ids: Sequence[str], logged: Mapping[str, int]) -> bool:
    return 0 < sum(event_id in logged for event_id in ids) < len(ids)


def _is_forgotten(operation: Operation) -> bool:
    """Tell whether events that were acknowledged before were taken for new ones."""
    known = operation.known is Known.ACKNOWLEDGED
    return known and operation.duplicates < len(operation.events)


def _hash(value: str) -> str:
    return hash_identifier(bytes.fromhex(KEY), Identifier("loyalty", value)).hex()


def _disagreeing(service: Served, counts: Mapping[str, Counter[str]]) -> list[str]:
    """Return the customers whose profile counts other than the log does."""
    found = []
    with channel_to(service.address) as channel:
        client = Client(channel, "the one that is left", CALL_SECONDS)
        for number in range(CUSTOMERS):
            request = customer_pb2.GetCustomerRequest(identifiers=[loyalty(f"c{number}")])
            answer = client.customers.GetCustomer(request, timeout=CALL_SECONDS)
            profile = Counter({entry.type: entry.count for entry in answer.counts})
            if profile != counts.get(_hash(f"c{number}"), Counter()):
                found.append(f"c{number}")
    return found
