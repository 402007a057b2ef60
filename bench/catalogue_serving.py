"""What changes of the catalogue are to those who ask meanwhile: `bench.catalogue` with a server.

A server over a store that is prepared, called one call at a time; in turns nothing changes, and one
price a second does. Then all items are uploaded to a server with an empty store. At last a server
of three workers tells what a further one costs: memory that it has for itself alone, and the CPU of
its start.
"""

import os
import shutil
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import grpc
import numpy as np
import psutil
from throughline.v1 import event_pb2, offer_pb2
from throughline.v1 import recommendation_pb2 as pb
from throughline.v1.common_pb2 import Identifier
from throughline.v1.event_pb2_grpc import EventServiceStub
from throughline.v1.offer_pb2_grpc import OfferServiceStub
from throughline.v1.recommendation_pb2_grpc import RecommendationServiceStub

from bench import processes
from bench.world import KEY, MOSTLY
from models.domain.catalogue import Catalogue, Item
from service.contract.offer_messages import item_message
from service.store.catalogue_writes import catch_up
from service.store.opening import open_store

PEOPLE = 50
TURNS = 3  # of each kind
SECONDS = 10.0  # of a turn
PART = 1_000  # items of a call
WORKERS = 3


def measure_serving(directory: Path) -> dict[str, float]:
    """Return milliseconds of calls with and without changes, seconds of upload and start, MB."""
    store = open_store(f"sqlite:///{directory / 'store'}", key=KEY, timeout=30)
    items = [*catch_up(store, Catalogue()).items.values()]
    store.close()
    # Another process than the one before writes to it.
    url = f"sqlite:///{directory / 'serving'}"
    shutil.copytree(directory / "store", directory / "serving")
    found: dict[str, float] = {}
    clock = ("--clock", datetime.fromtimestamp(MOSTLY / 1e6, UTC).isoformat())
    cores = sorted(os.sched_getaffinity(0))
    start = time.perf_counter()
    with processes.service(cores, url, directory, *clock) as server:
        found["serving: ready after"] = time.perf_counter() - start
        found["serving: memory"] = _memory(directory)
        turns: dict[bool, list[float]] = {False: [], True: []}
        with _channel(server.port) as channel:
            people = _people(channel, items)
            _calls(channel, people, 2.0)
            for _ in range(TURNS):
                for changing in (False, True):
                    done = Event()
                    other = Thread(target=_change, args=(channel, items, done))
                    if changing:
                        other.start()
                    turns[changing] += _calls(channel, people, SECONDS)
                    done.set()
                    if changing:
                        other.join()
        for changing, name in ((False, "no changes"), (True, "one change a second")):
            for share in (50, 99, 99.9):
                told = float(np.percentile(turns[changing], share))
                found[f"Recommend, {name}: p{share:g}"] = 1000 * told
    empty = f"sqlite:///{directory / 'upload'}"
    with (
        processes.service(cores, empty, directory, *clock) as server,
        _channel(server.port) as channel,
    ):
        start = time.perf_counter()
        for first in range(0, len(items), PART):
            part = [item_message(item) for item in items[first : first + PART]]
            OfferServiceStub(channel).UpsertItems(offer_pb2.UpsertItemsRequest(items=part))
        found["upload of all items"] = time.perf_counter() - start
    with processes.service(cores, url, directory, *clock, "--workers", str(WORKERS)):
        earliest, *further = _workers(directory)
        found["first worker: memory"] = _own_memory(earliest)
        found["further worker: memory"] = max(map(_own_memory, further))
        found["first worker: CPU"] = _cpu(earliest)
        found["further worker: CPU"] = max(map(_cpu, further))
    return found


def _people(channel: grpc.Channel, items: Sequence[Item]) -> list[Identifier]:
    """Record what some customers looked at, and return who they are."""
    people = [Identifier(namespace="loyalty", value=f"P{number}") for number in range(PEOPLE)]
    events = []
    for number, who in enumerate(people):
        for at in range(5):
            item = items[(number * 977 + at * 131) % len(items)].id
            event = event_pb2.Event(
                event_id=uuid.uuid4().hex, identifier=who, type="view", channel="web", item_id=item
            )
            event.time.FromMicroseconds(MOSTLY - at * 60_000_000)
            events.append(event)
    EventServiceStub(channel).RecordEvents(event_pb2.RecordEventsRequest(events=events), timeout=30)
    return people


def _calls(channel: grpc.Channel, people: Sequence[Identifier], seconds: float) -> list[float]:
    """Ask one after the other, and return the seconds of each call."""
    stub = RecommendationServiceStub(channel)
    took: list[float] = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        who = people[len(took) % len(people)]
        request = pb.RecommendRequest(identifiers=[who], channel="web", count=10)
        stub.Recommend(request, timeout=30)
        took.append(time.perf_counter() - start)
    return took


def _change(channel: grpc.Channel, items: Sequence[Item], done: Event) -> None:
    """Change one price a second until `done`."""
    at = 0
    while not done.wait(1.0):
        at += 1
        item: Any = item_message(items[(at * 7_919) % len(items)])
        item.price.units = 200 + at
        OfferServiceStub(channel).UpsertItems(
            offer_pb2.UpsertItemsRequest(items=[item]), timeout=30
        )


def _channel(port: int) -> grpc.Channel:
    return grpc.insecure_channel(f"127.0.0.1:{port}")


def _workers(directory: Path) -> list[psutil.Process]:
    """Return the workers of the server that works on this directory, by their start."""
    (parent,) = [
        process
        for process in psutil.Process().children(recursive=True)
        if str(directory) in " ".join(process.cmdline())
    ]
    workers = [one for one in parent.children() if "service.workers.worker" in one.cmdline()]
    return sorted(workers, key=lambda one: float(one.create_time()))


def _own_memory(process: psutil.Process) -> float:
    return float(process.memory_full_info().uss) / 2**20


def _cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def _memory(directory: Path) -> float:
    """Return the MB of the server that works on this directory."""
    found = [
        process.memory_info().rss
        for process in psutil.Process().children(recursive=True)
        if str(directory) in " ".join(process.cmdline())
    ]
    return max(found) / 2**20
