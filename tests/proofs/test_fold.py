"""A profile is the same in any order of arrival, and a bad event costs no neighbour."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from throughline.v1 import event_pb2

from models.domain.event_types import EVENT_TYPES
from models.domain.events import Event
from models.domain.fold import fold
from models.domain.profile import Compartment
from service.contract.status import code_number
from service.store.customers import planning
from service.store.customers.planning import EventOutcome
from service.store.store import Store
from tests.support.events import EPOCH, NOW, SECOND, identifier, poisoned
from tests.support.in_process import Running, event, running
from tests.support.proof_table import Proof
from tests.support.server_processes import KEY

pytestmark = pytest.mark.machine

INVALID, INTERNAL, UNAVAILABLE = (
    code_number(code)
    for code in (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
    )
)

Open = Callable[[str], Store]


def history(who: bytes, length: int = 200) -> list[Event]:
    """Return events within an hour either way, some at the same moment, some undated."""
    chance = random.Random(length)
    types = [name for name in EVENT_TYPES if name != "attributes_changed"]
    return [
        Event(
            event_id=f"h{number}",
            identifier=who,
            type="attributes_changed" if number % 10 == 0 else chance.choice(types),
            channel=chance.choice(("web", "app", "till")),
            time=None if number % 17 == 0 else EPOCH + chance.randrange(-3600, 3600) * SECOND,
            item=f"item{chance.randrange(20)}" if number % 10 else "",
            attributes={f"a{chance.randrange(5)}": str(number)} if number % 10 == 0 else {},
        )
        for number in range(length)
    ]


def pieces(events: Sequence[Event], chance: random.Random) -> Iterator[Sequence[Event]]:
    """Cut events into batches of chance sizes."""
    start = 0
    while start < len(events):
        size = chance.choice((1, 2, 7, 40, 200))
        yield events[start : start + size]
        start += size


@pytest.mark.parametrize(
    ("permutations", "stored"),
    [pytest.param(30, 2, id="small"), pytest.param(1_000, 60, id="full", marks=pytest.mark.prove)],
)
def test_any_order_gives_the_same_profile(
    store_url: str, opened: Open, proof: Proof, permutations: int, stored: int
) -> None:
    """A history in any order and any batches is one and the same profile, through a store too."""
    chance = random.Random(permutations)
    who = identifier(0)
    events = history(who)
    whole = fold(Compartment(), events)
    for _ in range(permutations):
        parts = Compartment()
        for piece in pieces(chance.sample(events, len(events)), chance):
            parts = fold(parts, piece)
        assert parts == whole
    store = opened(store_url)
    for number in range(1, stored + 1):
        who = identifier(number)
        events = history(who)
        for piece in pieces(chance.sample(events, len(events)), chance):
            assert store.record(piece, NOW) == [EventOutcome.STORED] * len(piece)
        (found,) = store.read([who]).profile.compartments.values()
        assert found == fold(Compartment(), events)
    proof(
        "A5",
        f"{permutations:,} permutations of a history of 200 events with a skew of an hour, in "
        f"chance batches through the fold; {stored} through {store_url.partition(':')[0]}",
        "identical profile in all",
    )


def settled(live: Running, messages: Sequence[event_pb2.Event]) -> list[event_pb2.EventResult]:
    """Send events, and again what a store that was late could not tell of; return what became."""
    for _ in range(50):
        with suppress(grpc.RpcError):
            results = live.record(*messages).results
            if all(result.outcome.code != UNAVAILABLE for result in results):
                return list(results)
        time.sleep(0.1)
    raise AssertionError("the store is away")


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param((1, 50), id="small"),
        pytest.param(range(1, 51), id="full", marks=pytest.mark.prove),
    ],
)
def test_bad_events_cost_no_neighbour(
    store_url: str,
    tmp_path: Path,
    proof: Proof,
    monkeypatch: pytest.MonkeyPatch,
    bad: Sequence[int],
) -> None:
    """Of a hundred events in a call each bad one has its own status, and all others are stored."""
    monkeypatch.setattr(planning, "fold", poisoned)
    chance = random.Random(1)
    kinds: Mapping[int, dict[str, Any]] = {
        INVALID: {"channel": "no_such_channel"},
        INTERNAL: {"item_id": "poison"},
    }
    stored = refused = 0
    with running(tmp_path, promoted=False, rows=[], store=store_url, key=KEY) as live:
        for number in bad:
            wanted = [chance.choice(list(kinds)) for _ in range(number)] + [0] * (100 - number)
            chance.shuffle(wanted)
            messages = [
                event(f"b{number}-{part}", f"c{part % 7}", **kinds.get(code, {}))
                for part, code in enumerate(wanted)
            ]
            results = settled(live, messages)
            assert [result.outcome.code for result in results] == wanted
            details = {r.outcome.detail[:24] for r in results if r.outcome.code == INTERNAL}
            assert details <= {"internal error; ref=" + one[20:24] for one in details}
            again = settled(live, messages)
            assert [result.duplicate for result in again] == [not code for code in wanted]
            stored += wanted.count(0)
            refused += number
        logged = Counter(
            entry.statement.event_id
            for entry in live.server.dependencies.store.log(None)
            if isinstance(entry.statement, Event)
        )
    assert len(logged) == stored
    assert set(logged.values()) == {1}
    proof(
        "A11",
        f"{store_url.partition(':')[0]}: {len(bad)} calls of 100 events with {min(bad)} to "
        f"{max(bad)} bad ones, invalid or failing the fold",
        f"{refused:,} refused one by one, {stored:,} neighbours stored once each",
    )
