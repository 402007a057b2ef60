"""The same face on every channel (S4), and every decision of it is replayed (S0).

Six channels ask for one person at once and in every order, in several processes, while the person
does things, stock moves, and releases and policies change. Answers of one moment must be one
ranking, with a reason for every gap; each record must replay to its last byte, and none be missing.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from throughline.v1 import recommendation_pb2 as pb
from throughline.v1.event_pb2 import RecordEventsRequest
from throughline.v1.offer_pb2 import UpsertItemsRequest

from demo.check import Told, check
from models.release.registry import Registry
from service.client import Client
from service.contract.offer_messages import item_message
from service.decisions.replayer import Replayer
from service.store.opening import open_store
from service.store.store import Store
from tests.support import policies
from tests.support.channels import clients
from tests.support.in_process import enter_release, event, loyalty
from tests.support.proof_table import LONG, Proof
from tests.support.redis_server import RedisServer
from tests.support.server_processes import prepared, served
from tests.support.small_release import small_rows
from tests.support.waiting import PATIENCE, Pool, asked_again

pytestmark = pytest.mark.machine

CHANNELS = ("web", "app", "email", "sms", "till", "call_center")
KEY = bytes(range(32))
TYPES = ("view", "add_to_cart", "purchase", "click")


class Living(NamedTuple):
    """A service under way: clients of its workers, its registry and its store."""

    clients: list[Client]
    registry: Registry
    store: Store


@contextmanager
def living(directory: Path, url: str, workers: int = 2) -> Iterator[Living]:
    """Serve a small catalogue from several processes."""
    (directory / "identifier.key").write_text(KEY.hex())
    prepared(directory)
    store = open_store(url, key=KEY, timeout=PATIENCE)
    store.put_catalogue(small_rows())
    options = ("--store", url, "--key-file", "identifier.key")
    try:
        with (
            served(directory, *options, workers=workers) as live,
            clients(live.address, len(CHANNELS)) as made,
        ):
            yield Living(made, Registry(directory / "var" / "registry"), store)
    finally:
        store.close()


def asked(draw: random.Random, who: str, channel: str) -> pb.RecommendRequest:
    """Return a request for a person: mostly plain, at times narrowed or for another intent."""
    request = pb.RecommendRequest(
        identifiers=[loyalty(who)], channel=channel, count=draw.choice((1, 3, 10, 40))
    )
    narrowed = draw.random()
    if narrowed < 0.1:
        request.intent = draw.choice(("discovery", "replenish"))
    elif narrowed < 0.2:
        request.exclude.extend(f"item:item{draw.randrange(40)}" for _ in range(20))
    elif narrowed < 0.25:
        request.include.append(f"item:item{draw.randrange(40)}")
    elif narrowed < 0.3:
        request.place = "s1"
    return request


class Person:
    """One person, whom all channels ask for in some order, several times, amid events."""

    def __init__(self, living: Living, number: int) -> None:
        self._living = living
        self._draw = random.Random(number)
        self._name = f"p{number}"
        self.told: list[Told] = []

    def live(self) -> "Person":
        """Ask at once, one after another, and at once again, with events in between."""
        for turn in range(3):
            self._act(turn)
            order = self._draw.sample(range(len(CHANNELS)), len(CHANNELS))
            requests = [asked(self._draw, self._name, CHANNELS[at]) for at in order]
            if turn == 1:
                self.told += [self._ask(*pair) for pair in zip(order, requests, strict=True)]
            else:
                with Pool(len(CHANNELS)) as pool:
                    self.told += pool.map(self._ask, order, requests)
        return self

    def _ask(self, at: int, request: pb.RecommendRequest) -> Told:
        stub = self._living.clients[at].recommendations
        return Told(request.channel, asked_again(lambda: stub.Recommend(request, timeout=PATIENCE)))

    def _act(self, turn: int) -> None:
        events = [
            event(
                f"{self._name}:{turn}:{number}",
                self._name,
                self._draw.choice(TYPES),
                item_id=f"item{self._draw.randrange(40)}",
            )
            for number in range(self._draw.randint(0, 4))
        ]
        if events:
            stub, said = self._living.clients[0].events, RecordEventsRequest(events=events)
            asked_again(lambda: stub.RecordEvents(said, timeout=PATIENCE))


def changing(living: Living, stop: threading.Event, seconds: float) -> Callable[[], int]:
    """Return what changes release, policy or stock every so often, until told to stop."""
    draw = random.Random(0)
    releases = [enter_release(living.registry.directory, seed=seed) for seed in range(2, 6)]
    rows = [row for row in small_rows() if row.id.startswith("item")]

    def change() -> int:
        changes = 0
        while not stop.wait(seconds):
            changes += 1
            what = changes % 3
            if what == 0:
                living.registry.promote(draw.choice(releases), changes)
            elif what == 1:
                living.registry.publish(policies.drawn(draw), changes)
            else:
                row = item_message(draw.choice(rows))  # type: ignore[arg-type]
                row.stock.add(place=draw.choice(("s1", "s2")), quantity=draw.randint(0, 2))
                with suppress(grpc.RpcError):
                    living.clients[1].offers.UpsertItems(UpsertItemsRequest(items=[row]))
        return changes

    return change


@pytest.mark.parametrize("people", [20, pytest.param(1_000, marks=LONG)])
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_every_channel_shows_one_face(
    tmp_path: Path, own_redis: RedisServer, proof: Proof, kind: str, people: int
) -> None:
    """However they ask, all answers of one moment are one ranking, and every decision replays."""
    url = own_redis.url if kind == "redis" else f"sqlite:{tmp_path / 'data'}"
    with living(tmp_path, url) as service:
        stop = threading.Event()
        with Pool(5) as pool:
            change = pool.submit(changing(service, stop, 0.3))
            try:
                lives = list(pool.map(lambda number: Person(service, number).live(), range(people)))
            finally:
                stop.set()
            changes = change.result()
        answers = pairs = 0
        for person in lives:
            verdict = check(person.told)
            assert verdict.differences == []
            answers, pairs = answers + verdict.answers, pairs + verdict.pairs
        assert answers == people * 3 * len(CHANNELS)
        assert pairs > people  # of one moment: else nothing was compared
        ids = {told.answer.decision_id for person in lives for told in person.told}
        registry = service.registry
    store = open_store(url, key=KEY, timeout=PATIENCE)
    replayer = Replayer(registry)
    for kept in store.records(None):
        replayer.add(kept)
    verified = store.verify()
    store.close()
    assert replayer.faults == []
    assert replayer.same >= len(ids)
    assert (verified.faults, verified.records) == ((), replayer.count)
    proof(
        "the same face on every channel, and replay (S4, S0)",
        f"{people:,} persons, six channels at once and in turn, two processes over {kind}; "
        f"{changes} changes of release, policy and stock meanwhile",
        f"{answers:,} answers, {pairs:,} pairs of one moment, 0 unexplained differences; "
        f"{replayer.same:,} of {replayer.count:,} decisions replay byte for byte",
    )
