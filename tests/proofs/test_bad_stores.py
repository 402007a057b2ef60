"""What every method answers over a store that is bad in each of many ways, and what stays true."""

import resource
import shutil
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from throughline.v1 import common_pb2, customer_pb2, offer_pb2
from throughline.v1 import recommendation_pb2 as pb

from models.domain.catalogue import Offer
from models.domain.events import Event
from models.errors import ThroughlineError
from service.client import Client
from service.store.database.location import DATABASE
from service.store.identity.known_store import KnownStoreFile
from service.store.opening import open_store
from tests.support.channels import clients
from tests.support.fault_proxy import HEALTHY, Fault, FaultProxy
from tests.support.in_process import event, loyalty, recommend_request
from tests.support.metrics_scrape import Scraped
from tests.support.ports import free_port
from tests.support.proof_table import LONG, Proof
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_sentinel import RedisSentinel, in_sync
from tests.support.redis_server import RedisServer, require_redis
from tests.support.server_processes import KEY, Served, prepared, served
from tests.support.small_release import small_rows
from tests.support.store_traffic import DEADLINE, VOUCHER, Traffic
from tests.support.waiting import PATIENCE, eventually

pytestmark = LONG

VOLUME = 150
SECONDS = 4.0  # of traffic before, while and after the store is bad
OLDER = common_pb2.FLAG_STORE_OLDER
MEGABYTE = 1 << 20
REPLICAS: list[RedisServer] = []  # that took the place of a primary: they live on with the server
Make = Callable[["Ground"], AbstractContextManager[None]]


class Ground(NamedTuple):
    """Where a store is: its URL as the server has it, the server, its Redis and the way there."""

    directory: Path
    live: Served
    redis: RedisServer | None
    proxy: FaultProxy | None


class Bad(NamedTuple):
    """A way for a store to be bad: `lasting` where the server does not serve it again by itself."""

    name: str
    kind: str
    make: Make
    lasting: bool = False


# SQLite.


@contextmanager
def locked(ground: Ground) -> Iterator[None]:
    """Another process holds the lock."""
    path = ground.directory / "data" / DATABASE
    with closing(sqlite3.connect(path, 60.0, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def full(ground: Ground) -> Iterator[None]:
    """No file of the server may grow."""
    without = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    largest = max(file.stat().st_size for file in (ground.directory / "data").iterdir())
    for pid in (ground.live.pid, *ground.live.workers()):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (min(largest, 4096), without[1]))
    yield
    for pid in (ground.live.pid, *ground.live.workers()):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, without)


@contextmanager
def moved_away(ground: Ground) -> Iterator[None]:
    """The file is gone, and is put back."""
    path = ground.directory / "data" / DATABASE
    path.rename(path.with_name("moved"))
    yield
    path.with_name("moved").rename(path)


@contextmanager
def exchanged(ground: Ground) -> Iterator[None]:
    """Another store's file is put in the place."""
    other = ground.directory / "other"
    open_store(f"sqlite:{other}", key=bytes.fromhex(KEY), timeout=PATIENCE).close()
    shutil.move(other / DATABASE, ground.directory / "data" / DATABASE)
    yield


# One Redis.


def setting(name: str, value: str, healthy: str) -> Make:
    """Return what changes a setting of Redis for a while."""

    @contextmanager
    def changed(ground: Ground) -> Iterator[None]:
        assert ground.redis is not None
        with ground.redis.client() as client:
            client.config_set(name, value)
            yield
            client.config_set(name, healthy)

    return changed


def network(fault: Fault) -> Make:
    """Return what makes the way to Redis bad for a while."""

    @contextmanager
    def changed(ground: Ground) -> Iterator[None]:
        assert ground.proxy is not None
        ground.proxy.set(fault)
        yield
        ground.proxy.set(HEALTHY)

    return changed


@contextmanager
def replica(ground: Ground) -> Iterator[None]:
    """Redis is a replica of nobody who is there."""
    assert ground.redis is not None
    with ground.redis.client() as client:
        client.replicaof("127.0.0.1", "1")
        yield
        client.replicaof("NO", "ONE")


@contextmanager
def paused(ground: Ground) -> Iterator[None]:
    """Redis takes no command."""
    assert ground.redis is not None
    with ground.redis.client() as client:
        client.execute_command("CLIENT PAUSE", int(1000 * (SECONDS + 2)), "ALL")
    yield
    time.sleep(3.0)


@contextmanager
def emptied(ground: Ground) -> Iterator[None]:
    """Redis forgets all, and nobody accepts it."""
    assert ground.redis is not None
    with ground.redis.client() as client:
        client.flushall()
    yield


@contextmanager
def foreign(ground: Ground) -> Iterator[None]:
    """Redis holds another store."""
    assert ground.redis is not None
    with ground.redis.client() as client:
        client.flushall()
    open_store(ground.redis.url, key=bytes.fromhex(KEY), timeout=PATIENCE).close()
    yield


@contextmanager
def restored(ground: Ground) -> Iterator[None]:
    """Redis is started again over an older copy of its file."""
    assert ground.redis is not None
    copy = ground.directory / "copy"
    shutil.copytree(ground.directory / "redis", copy)
    time.sleep(SECONDS)
    ground.redis.kill()
    shutil.rmtree(ground.directory / "redis")
    shutil.copytree(copy, ground.directory / "redis")
    ground.redis.start()
    yield


@contextmanager
def failed_over(ground: Ground) -> Iterator[None]:
    """A replica that lacks the last second takes the place of the primary."""
    assert ground.redis is not None
    assert ground.proxy is not None
    directory = ground.directory / "replica"
    directory.mkdir()
    other = RedisServer(directory)
    other.start()
    with other.client() as client:
        client.replicaof("127.0.0.1", str(ground.redis.port))
        assert eventually(lambda: in_sync(other))
        time.sleep(1.5)
        client.replicaof("NO", "ONE")  # from now on it lacks what comes
    time.sleep(1.0)
    ground.redis.kill()
    ground.proxy.target = other.port
    ground.proxy.set(Fault(reset=True))
    ground.proxy.set(HEALTHY)
    REPLICAS.append(other)
    yield
    time.sleep(1.0)


@contextmanager
def rightless(ground: Ground) -> Iterator[None]:
    """The user may run no script any more."""
    assert ground.redis is not None
    with ground.redis.client() as client:
        client.execute_command("ACL SETUSER default -@scripting")
        yield
        client.execute_command("ACL SETUSER default +@all")


WAYS = [
    Bad("locked by another process", "sqlite", locked),
    Bad("full disk", "sqlite", full),
    Bad("file moved away", "sqlite", moved_away),
    Bad("another store's file", "sqlite", exchanged, lasting=True),
    Bad("out of memory", "redis", setting("maxmemory", "1mb", "0")),
    Bad("too few replicas", "redis", setting("min-replicas-to-write", "3", "0")),
    Bad("evicting", "redis", setting("maxmemory-policy", "allkeys-lru", "noeviction")),
    Bad("a replica", "redis", replica),
    Bad("slow", "redis", network(Fault(delay=0.2))),
    Bad("a byte a second", "redis", network(Fault(rate=1))),
    Bad("paused", "redis", paused),
    Bad("no scripts", "redis", rightless),
    Bad("emptied", "redis", emptied, lasting=True),
    Bad("another store", "redis", foreign, lasting=True),
    Bad("restored from an older copy", "redis", restored),
    Bad("failed over, lacking the last second", "redis", failed_over),
]


def probes(client: Client, channel: grpc.Channel, decision: str) -> dict[str, str]:
    """Return how each method answers now, and what health says."""
    who = [loyalty("p1")]
    pair: dict[str, Any] = {"a": loyalty("p1"), "b": loyalty("x1"), "asserted_by": "login"}
    calls: dict[str, Callable[[], Any]] = {
        "Recommend": lambda: client.recommendations.Recommend(
            recommend_request("p1"), timeout=DEADLINE
        ),
        "Batch": lambda: client.recommendations.RecommendBatch(
            pb.RecommendBatchRequest(requests=[recommend_request("p1")]), timeout=2.0
        ),
        "Check": lambda: client.recommendations.CheckOffer(
            pb.CheckOfferRequest(identifiers=who, offer_id=VOUCHER, channel="till"), timeout=2.0
        ),
        "Explain": lambda: client.recommendations.ExplainDecision(
            pb.ExplainDecisionRequest(decision_id=decision, offer_id=VOUCHER), timeout=2.0
        ),
        "Events": lambda: client.events.RecordEvents(
            _events(f"probe{time.monotonic_ns()}"), timeout=2.0
        ),
        "Customer": lambda: client.customers.GetCustomer(
            customer_pb2.GetCustomerRequest(identifiers=who), timeout=2.0
        ),
        "Link": lambda: client.customers.LinkIdentifiers(
            customer_pb2.LinkIdentifiersRequest(**pair), timeout=2.0
        ),
        "Items": lambda: client.offers.UpsertItems(
            offer_pb2.UpsertItemsRequest(items=[offer_pb2.Item(item_id="new")]), timeout=2.0
        ),
    }
    found = {name: _told(call) for name, call in calls.items()}
    stub: Any = health_pb2_grpc.HealthStub(channel)
    service = "throughline.v1.EventService"
    found["health of events"] = _told(
        lambda: stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=2.0)
    )
    return found


def _events(event_id: str) -> Any:
    from throughline.v1 import event_pb2

    return event_pb2.RecordEventsRequest(events=[event(event_id, "p1")])


def _told(call: Callable[[], Any]) -> str:
    try:
        answer = call()
    except grpc.RpcError as error:
        return str(error.code().name)
    flags = [
        common_pb2.Flag.Name(flag).removeprefix("FLAG_") for flag in getattr(answer, "flags", ())
    ]
    if hasattr(answer, "status"):
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
    if hasattr(answer, "durability"):
        flags.append("RELAXED" if answer.durability == 2 else "DURABLE")
    shown = [flag for flag in flags if flag not in ("COLD_START", "FEWER_THAN_ASKED")]
    return " ".join(["OK", *shown])


@pytest.mark.parametrize("bad", WAYS, ids=[way.name for way in WAYS])
def test_a_bad_store_costs_no_truth(tmp_path: Path, proof: Proof, bad: Bad) -> None:
    """No acknowledged event is lost without a flag, no volume exceeded, no deadline missed."""
    redis = proxy = None
    url = f"sqlite:{tmp_path / 'data'}"
    if bad.kind == "redis":
        require_redis()
        (tmp_path / "redis").mkdir()
        redis = RedisServer(tmp_path / "redis")
        redis.start()
        proxy = FaultProxy(redis.port)
    try:
        if proxy is None:
            _lived_through(tmp_path, proof, bad, url, None, None)
        else:
            with proxy.running():
                url = f"redis://127.0.0.1:{proxy.port}/0"
                _lived_through(tmp_path, proof, bad, url, redis, proxy)
    finally:
        while REPLICAS:
            REPLICAS.pop().kill()
        if redis is not None:
            redis.kill()


def _lived_through(
    directory: Path,
    proof: Proof,
    bad: Bad,
    url: str,
    redis: RedisServer | None,
    proxy: FaultProxy | None,
) -> None:
    prepared(directory)
    (directory / "identifier.key").write_text(KEY)
    _filled(url)
    metrics = free_port()
    options = ["--store", url, "--key-file", "identifier.key"]
    options += ["--metrics-listen", f"127.0.0.1:{metrics}"]
    with (
        served(directory, *options, workers=2) as live,
        clients(live.address, 4, retries=False) as made,
        grpc.insecure_channel(live.address) as channel,
    ):
        decision = made[0].recommendations.Recommend(recommend_request("p1"), timeout=PATIENCE)
        traffic = Traffic(made)
        with traffic.flowing():
            time.sleep(SECONDS)
            with bad.make(Ground(directory, live, redis, proxy)):
                time.sleep(SECONDS)
                found = probes(made[0], channel, decision.decision_id)
                figures = _figures(metrics)
            time.sleep(SECONDS)
        if not bad.lasting:
            assert eventually(lambda: _serves(made[0]))
            time.sleep(1.5)
        told = made[0].recommendations.Recommend(recommend_request("p1"), timeout=PATIENCE)
    lost, kept = _missing(directory, bad, url, traffic.acknowledged)
    flagged = OLDER in told.flags
    assert not lost or flagged or bad.lasting, f"{len(lost)} of {kept} events lost, without a flag"
    assert len(traffic.granted) <= VOLUME
    assert traffic.codes["Recommend OK"] > 0
    answered = traffic.codes["Recommend OK"] + len(traffic.late)
    assert len(traffic.late) <= answered // 1000, traffic.codes
    gauges = " ".join(
        f"{name}={figures.figure('throughline_store_' + name):.0f}"
        for name in ("is_served", "is_older", "refuses_writes", "epoch")
    )
    proof(
        f"a store that is bad: {bad.kind}, {bad.name}",
        "; ".join(f"{name} {said}" for name, said in found.items()),
        f"{kept:,} events acknowledged, {len(lost)} gone{' (flagged)' if flagged else ''}; "
        f"{len(traffic.granted)} of {VOLUME} given; {len(traffic.late)} of {answered:,} Recommends "
        f"late; {gauges}",
    )


def _figures(port: int) -> Scraped:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
        return Scraped(answer.read().decode())


def _filled(url: str) -> None:
    with closing(open_store(url, key=bytes.fromhex(KEY), timeout=PATIENCE)) as store:
        store.put_catalogue([*small_rows(), Offer(id=VOUCHER, items=("item1",), volume=VOLUME)])


def _serves(client: Client) -> bool:
    try:
        client.events.RecordEvents(_events(f"after{time.monotonic_ns()}"), timeout=2.0)
        answer = client.recommendations.Recommend(recommend_request("p1"), timeout=2.0)
    except grpc.RpcError:
        return False
    return common_pb2.FLAG_STATE_UNAVAILABLE not in answer.flags


def _missing(directory: Path, bad: Bad, url: str, acknowledged: set[str]) -> tuple[set[str], int]:
    """Return which acknowledged events are not in the log, and how many there were."""
    known = KnownStoreFile(directory / "nowhere")
    try:
        with closing(
            open_store(url, key=bytes.fromhex(KEY), timeout=PATIENCE, known=known)
        ) as store:
            said = [entry.statement for entry in store.log(None)]
            logged = {one.event_id for one in said if isinstance(one, Event)}
    except ThroughlineError:
        assert bad.lasting
        logged = set()
    return acknowledged - logged, len(acknowledged)


@pytest.mark.parametrize("how", ["sentinel", "cluster"])
def test_a_server_of_several_may_be_lost(tmp_path: Path, proof: Proof, how: str) -> None:
    """With a node killed or a failover ordered the same holds, whoever the customer is on."""
    require_redis()
    several: RedisSentinel | RedisCluster = (
        RedisSentinel(tmp_path) if how == "sentinel" else RedisCluster(tmp_path)
    )
    several.start()

    @contextmanager
    def lost(ground: Ground) -> Iterator[None]:
        if isinstance(several, RedisSentinel):
            several.primary().kill()
            yield
            return
        several.nodes[1].kill()
        yield
        several.nodes[1].start()
        time.sleep(3.0)

    bad = Bad(f"{how}, a server killed", "several", lost)
    try:
        _lived_through(tmp_path, proof, bad, several.url, None, None)
    finally:
        several.kill()
