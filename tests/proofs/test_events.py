"""An event id counts once and says one thing, whatever stalls, is cancelled or sent again."""

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from throughline.v1 import event_pb2

from models.domain.events import Event
from models.domain.identifiers import Identifier, hash_identifier
from service.client import Client
from service.contract.status import code_number
from service.store.opening import open_store
from service.store.store import Store
from tests.support.channels import channel_to
from tests.support.in_process import event, running
from tests.support.proof_table import Proof
from tests.support.redis_server import RedisServer
from tests.support.server_processes import KEY, keyed_server
from tests.support.waiting import PATIENCE, Pool, joined

pytestmark = pytest.mark.machine

CLIENTS = 8
BATCH = 250
EXISTS, UNAVAILABLE = (
    code_number(code) for code in (grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.UNAVAILABLE)
)
RETRIED = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
)


def keyed(value: str) -> bytes:
    """Return the hash of a `loyalty` value under the key of the tests."""
    return hash_identifier(bytes.fromhex(KEY), Identifier("loyalty", value))


@contextmanager
def opened(url: str) -> Iterator[Store]:
    """Open the store of a service beside it."""
    store = open_store(url, key=bytes.fromhex(KEY), timeout=PATIENCE)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def served(directory: Path, store: str, number: int, apart: bool) -> Iterator[list[str]]:
    """Run so many servers over one store, `apart` in processes of their own; yield where."""
    with ExitStack() as stack:
        if apart:
            services = [keyed_server(directory, store) for _ in range(number)]
            for service in services:
                stack.callback(service.kill)
                service.start()
            yield [service.address for service in services]
            return
        ports = []
        for name in range(number):
            own = directory / str(name)
            own.mkdir()
            live = running(own, promoted=False, rows=[], store=store, key=KEY)
            ports.append(stack.enter_context(live).server.port)
        yield [f"127.0.0.1:{port}" for port in ports]


def delivered(
    servers: Sequence[str],
    batches: Iterable[Sequence[event_pb2.Event]],
    cancelled: float,
) -> tuple[list[event_pb2.EventResult], int]:
    """Send batches from eight clients, again until each is answered; every server gets its share.

    `cancelled` is the share of calls that are cancelled in flight before they are sent again.
    Returns the results and how many calls were of unknown outcome.
    """
    waiting = deque(batches)
    results: list[event_pb2.EventResult] = []
    unknown: list[int] = []

    def run(number: int) -> None:
        chance = random.Random(number)
        with ExitStack() as stack:
            clients = [
                Client(stack.enter_context(channel_to(server)), server, PATIENCE)
                for server in servers
            ]
            while waiting:
                try:
                    batch = waiting.popleft()
                except IndexError:
                    return
                request = event_pb2.RecordEventsRequest(events=batch)
                call = chance.choice(clients).events.RecordEvents.future(request, timeout=PATIENCE)
                if chance.random() < cancelled:
                    time.sleep(chance.uniform(0.0, 0.05))
                    call.cancel()
                try:
                    found = list(call.result().results)
                except (grpc.RpcError, grpc.FutureCancelledError):
                    assert call.code() in RETRIED
                    unknown.append(number)
                    waiting.append(batch)
                    time.sleep(chance.uniform(0.05, 0.2))
                    continue
                left = [
                    message
                    for message, result in zip(batch, found, strict=True)
                    if result.outcome.code == UNAVAILABLE
                ]
                if left:
                    waiting.append(left)
                results.extend(found)

    with Pool(CLIENTS) as pool:
        for running_ in [pool.submit(run, number) for number in range(CLIENTS)]:
            running_.result()
    return results, len(unknown)


def in_batches(messages: Sequence[event_pb2.Event]) -> list[Sequence[event_pb2.Event]]:
    """Cut a sequence into calls."""
    return [messages[start : start + BATCH] for start in range(0, len(messages), BATCH)]


def made(number: int, customers: int, item: str = "item1") -> event_pb2.Event:
    """Return event number `number`, of the last two days."""
    at = Timestamp(seconds=int(time.time()) - 172_800 + number)
    return event(f"id{number}", f"c{number % customers}", time=at, item_id=item)


@contextmanager
def stalling(redis: RedisServer | None, seconds: float, every: float) -> Iterator[list[float]]:
    """Make Redis sleep again and again while the block runs; yields when it did."""
    stalls: list[float] = []
    ended = threading.Event()

    def run() -> None:
        assert redis is not None
        while not ended.wait(every):
            with redis.client() as client:
                client.execute_command("DEBUG", "SLEEP", seconds)
            stalls.append(time.monotonic())

    thread = threading.Thread(target=run, daemon=True)
    if redis is not None:
        thread.start()
    try:
        yield stalls
    finally:
        ended.set()
        if redis is not None:
            joined(thread)


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
@pytest.mark.parametrize(
    ("ids", "stall", "every", "cancelled"),
    [
        pytest.param(1_500, 0.5, 1.0, 0.3, id="small"),
        pytest.param(
            100_000, 3.0, 8.0, 0.03, id="full", marks=[pytest.mark.prove, pytest.mark.timeout(900)]
        ),
    ],
)
def test_an_id_counts_once(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    proof: Proof,
    kind: str,
    ids: int,
    stall: float,
    every: float,
    cancelled: float,
) -> None:
    """Ids sent one to five times, shuffled, over stalls and cancelled calls, count once each."""
    redis: RedisServer | None = request.getfixturevalue("own_redis") if kind == "redis" else None
    store = f"sqlite:{tmp_path / 'data'}" if redis is None else redis.url
    instances = 1 if redis is None else 2
    customers = max(10, ids // 67)
    chance = random.Random(ids)
    messages = [made(number, customers) for number in range(ids)]
    sends = [message for message in messages for _ in range(chance.randint(1, 5))]
    chance.shuffle(sends)
    with served(tmp_path, store, instances, apart=ids > 10_000) as servers:
        with stalling(redis, stall, every) as stalls:
            results, unknown = delivered(servers, in_batches(sends), cancelled)
        answered = [result for result in results if not result.outcome.code]
        assert {result.outcome.code for result in results} <= {0, UNAVAILABLE}
        assert unknown
        with opened(store) as beside:
            logged = Counter(
                said.event_id for _, said in beside.log(None) if isinstance(said, Event)
            )
            counts = [
                sum(
                    sum(part.counts.values())
                    for part in beside.read([keyed(f"c{number}")]).profile.compartments.values()
                )
                for number in range(customers)
            ]
    assert logged == {message.event_id: 1 for message in messages}
    assert counts == [len(range(number, ids, customers)) for number in range(customers)]
    assert sum(not result.duplicate for result in answered) <= ids
    proof(
        "A3",
        f"{kind}: {ids:,} ids, each sent 1 to 5 times ({len(sends):,} sends), shuffled, by "
        f"{CLIENTS} clients to {instances} instance{'s' * (instances > 1)}; "
        f"{unknown} calls cancelled or of unknown outcome and sent again"
        + (f", {len(stalls)} stalls of {stall} s (DEBUG SLEEP)" if stalls else ""),
        f"{sum(counts):,} counted in the profiles, {sum(logged.values()):,} in the log: "
        "0 lost, 0 twice",
    )


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
@pytest.mark.parametrize(
    "pairs",
    [pytest.param(300, id="small"), pytest.param(10_000, id="full", marks=pytest.mark.prove)],
)
def test_an_id_says_one_thing(
    request: pytest.FixtureRequest, tmp_path: Path, proof: Proof, kind: str, pairs: int
) -> None:
    """The same id with other content is refused every time, and the first content stays."""
    redis: RedisServer | None = request.getfixturevalue("own_redis") if kind == "redis" else None
    store = f"sqlite:{tmp_path / 'data'}" if redis is None else redis.url
    customers = max(10, pairs // 100)
    first = [made(number, customers, "first") for number in range(pairs)]
    second = [made(number, customers, "second") for number in range(pairs)]
    for one, other in zip(first, second, strict=True):
        other.time.CopyFrom(one.time)
    # Half of the pairs meet in one call, the others in two.
    together = [message for pair in zip(first[::2], second[::2], strict=True) for message in pair]
    with running(tmp_path, promoted=False, rows=[], store=store, key=KEY) as live:
        codes: list[int] = []
        for batch in in_batches(together):
            codes += [result.outcome.code for result in live.record(*batch).results]
        assert codes == [0, EXISTS] * len(first[::2])
        for batch in in_batches(first[1::2]):
            assert {result.outcome.code for result in live.record(*batch).results} == {0}
        refused = []
        for batch in in_batches(second):
            refused += [result.outcome.code for result in live.record(*batch).results]
        assert refused == [EXISTS] * pairs
        said = [entry.statement for entry in live.server.dependencies.store.log(None)]
    assert [one.item for one in said if isinstance(one, Event)] == ["first"] * pairs
    proof(
        "A4",
        f"{kind}: {pairs:,} pairs of the same id with other content, half of them in one call",
        f"{len(refused):,} of {pairs:,} ALREADY_EXISTS, the first content kept in all",
    )


def test_a_stalled_command_counts_once(
    own_redis: RedisServer, tmp_path: Path, proof: Proof
) -> None:
    """Events recorded while Redis stalls, and sent again when that fails, count once each."""
    with running(tmp_path, promoted=False, rows=[], store=own_redis.url, key=KEY) as live:
        failures: list[int] = []

        def record(number: int) -> None:
            message = event(f"stalled{number}", "L1")
            while True:
                time.sleep(0.05)  # so that stalls come between
                try:
                    assert live.record(message).results[0].outcome.code == 0
                except grpc.RpcError as error:
                    assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017
                    failures.append(number)
                else:
                    return

        with stalling(own_redis, 0.6, 0.5) as stalls, Pool(4) as pool:
            list(pool.map(record, range(60)))
        with closing(open_store(own_redis.url, key=bytes.fromhex(KEY), timeout=PATIENCE)) as store:
            profile = store.read([keyed("L1")]).profile
            counted = sum(sum(part.counts.values()) for part in profile.compartments.values())
            logged = Counter(
                e.statement.event_id for e in store.log(None) if isinstance(e.statement, Event)
            )
    assert failures
    assert counted == len(logged) == 60
    assert set(logged.values()) == {1}
    proof(
        "M7",
        f"60 events through the service over {len(stalls)} stalls of 0.6 s (DEBUG SLEEP), "
        f"{len(failures)} calls failed and were sent again",
        f"{counted} counted, 0 twice",
    )


@pytest.mark.parametrize("setting", [("appendfsync", "everysec"), ("appendonly", "no")])
def test_a_redis_that_may_lose_writes_is_flagged(
    own_redis: RedisServer, tmp_path: Path, proof: Proof, setting: tuple[str, str]
) -> None:
    """Unless Redis syncs every write, each acknowledgement says RELAXED, from a second on."""
    with running(tmp_path, promoted=False, rows=[], store=own_redis.url, key=KEY) as live:
        assert live.record(event("e1")).durability == event_pb2.DURABILITY_DURABLE
        with own_redis.client() as client:
            client.config_set(*setting)
        time.sleep(1.5)
        assert live.record(event("e2")).durability == event_pb2.DURABILITY_RELAXED
    name, value = setting
    proof("A1", f"Redis changed to `{name} {value}` under a running service", "RELAXED on the wire")
