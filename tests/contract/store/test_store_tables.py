"""The contract of a store, its second half: the catalogue, decisions, marks and the log."""

import time
from collections.abc import Callable

import pytest

from models.domain.catalogue import Item, Offer
from models.domain.events import Event
from models.errors import Conflict
from service.store.customers.log_entries import LogEntry
from service.store.customers.planning import Arrival
from service.store.outcomes import StoredDecision
from service.store.store import Store
from tests.support.events import NOW, event, identifier, record
from tests.support.waiting import PATIENCE, Pool

Open = Callable[[str], Store]

ANN, BOB = identifier(1), identifier(2)


def test_the_catalogue_is_a_revisioned_log(store_url: str, opened: Open) -> None:
    """Each put is one revision; changes since any revision are the latest rows, by revision."""
    store, other = opened(store_url), opened(store_url)
    assert store.catalogue_changes(0) == (0, [])
    assert store.put_catalogue([Item(id="a"), Item(id="b"), Offer(id="a", items=("a",))]) == 1
    assert store.put_catalogue([Item(id="c"), Item(id="a", withdrawn=True)]) == 2
    assert other.revision() == 2
    assert other.catalogue_changes(0) == (
        2,
        [Item(id="b"), Offer(id="a", items=("a",)), Item(id="a", withdrawn=True), Item(id="c")],
    )
    assert other.catalogue_changes(1) == (2, [Item(id="a", withdrawn=True), Item(id="c")])
    assert other.catalogue_changes(2) == (2, [])


def test_a_large_catalogue_is_read_whole(store_url: str, opened: Open) -> None:
    """Thousands of rows over several revisions come back whole, each one once."""
    store = opened(store_url)
    for start in range(0, 3000, 750):
        store.put_catalogue([Item(id=f"item{number}") for number in range(start, start + 750)])
    store.put_catalogue([Item(id="item1500", title="new")])
    revision, rows = opened(store_url).catalogue_changes(0)
    assert revision == 5
    assert len(rows) == len({row.id for row in rows}) == 3000
    assert rows[-1] == Item(id="item1500", title="new")


def test_concurrent_puts_have_revisions_of_their_own(store_url: str, opened: Open) -> None:
    """Every put gets another revision, and no change is missed by who follows them."""
    store = opened(store_url)
    with Pool(4) as pool:
        revisions = list(pool.map(lambda n: store.put_catalogue([Item(id=f"i{n}")]), range(20)))
    assert sorted(revisions) == list(range(1, 21))
    assert {row.id for row in store.catalogue_changes(0)[1]} == {f"i{n}" for n in range(20)}


def test_a_put_on_an_old_revision_stores_nothing(store_url: str, opened: Open) -> None:
    """Of puts that expect one revision exactly one is stored; the others are conflicts."""
    store = opened(store_url)

    def put(number: int) -> int:
        try:
            return store.put_catalogue([Item(id=f"i{number}")], expected=0)
        except Conflict:
            return 0

    with Pool(4) as pool:
        assert sorted(pool.map(put, range(8))) == [0] * 7 + [1]
    revision, rows = store.catalogue_changes(0)
    assert (revision, len(rows)) == (1, 1)
    with pytest.raises(Conflict, match=r"^revision: expected 0$"):
        store.put_catalogue([Item(id="late")], expected=0)
    assert store.put_catalogue([Item(id="next")], expected=1) == 2


def test_a_decision_is_found_by_its_id_alone(store_url: str, opened: Open) -> None:
    """A record is there for its own process at once, and for others when it is flushed."""
    store, other = opened(store_url), opened(store_url)
    times = [NOW + number for number in (2, 0, 1)]
    records = [record(store.new_decision_id(ANN, time_), ANN, time_) for time_ in times]
    for one in records:
        assert one.id.isalnum()
        assert one.id == one.id.lower()
        store.commit(one)
        assert store.decision(one.id) == one
    deadline = time.monotonic() + PATIENCE
    while other.decision(records[-1].id) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [other.decision(one.id) for one in records] == records
    by_time = sorted(records, key=lambda one: one.time)
    assert list(other.records(None)) == [StoredDecision(one.id, one) for one in by_time]
    assert [kept.record for kept in other.records(NOW + 1)] == [records[2], records[0]]
    assert other.decision("nonsense") is None
    assert other.decision(store.new_decision_id(BOB, NOW)) is None


def test_chunk_marks_are_kept(store_url: str, opened: Open) -> None:
    """The marks of a load are those of its dataset, and another process sees them."""
    store, other = opened(store_url), opened(store_url)
    assert store.chunk_state("digest", 0) is None
    store.mark_chunk("digest", 0, "started")
    assert other.chunk_state("digest", 0) == "started"
    assert other.chunk_state("digest", 0) != "done"
    store.mark_chunk("digest", 0, "done")
    assert other.chunk_state("digest", 0) == "done"
    assert other.chunk_state("digest", 1) is None
    assert other.chunk_state("other", 0) is None


def test_the_log_is_a_complete_snapshot(store_url: str, opened: Open) -> None:
    """The log holds everything acknowledged before the first entry was read, nothing later."""
    store = opened(store_url)
    events = [event(f"e{number}", identifier(number % 7), number) for number in range(60)]
    store.record(events[:40], NOW)
    link = store.link(identifier(1), identifier(2), "login", NOW + 1)
    assert link.changed
    store.record(events[40:], NOW + 2)

    entries = store.log(None)
    first = next(entries)
    store.record([event("later", identifier(number)) for number in range(7)], NOW + 3)
    snapshot = [first, *entries]
    said = [one.statement for one in snapshot if isinstance(one.statement, Event)]
    assert sorted(said, key=lambda one: one.time or 0) == events
    assert len(snapshot) == 61
    since = list(store.log(NOW + 2))
    assert {entry.arrival for entry in since} == {NOW + 2, NOW + 3}
    assert len(since) == 27
    assert all(isinstance(entry, LogEntry) for entry in since)


def test_a_log_of_many_pages_is_read_whole(store_url: str, opened: Open) -> None:
    """A shard with thousands of entries gives each of them once, in order of arrival."""
    store = opened(store_url)
    for start in range(0, 1800, 600):
        events = [event(f"e{number}", ANN, number) for number in range(start, start + 600)]
        store.load(events, [], Arrival(NOW + start, look_up=False))
    said = [entry.statement for entry in store.log(None)]
    assert [one.event_id for one in said if isinstance(one, Event)] == [
        f"e{number}" for number in range(1800)
    ]
