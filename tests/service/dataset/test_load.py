"""Loading a dataset: the same profiles whatever happened on the way, and nothing of a bad one."""

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from models.domain.catalogue import Catalogue, Item
from models.domain.dataset import file_digest, read_metadata, write_metadata
from models.domain.events import Event, attributes_event
from models.domain.fold import fold
from models.domain.identifiers import key_fingerprint
from models.domain.profile import Compartment, Link
from models.domain.view import view_of
from models.errors import WrongKey
from service.contract.names import declare_names
from service.dataset import load as load_module
from service.dataset.history import EventTable
from service.dataset.load import TableCount, load_dataset
from service.dataset.parquet import table_path
from service.dataset.rows import item_from_row
from service.store.catalogue_writes import catch_up
from service.store.customers.planning import EventOutcome
from service.store.customers.recording import RecordOutcome
from service.store.opening import open_store
from tests.support.datasets import (
    KEY,
    NOW,
    START,
    OpenStore,
    hashed,
    profiles,
    retailer,
    stores,
    write_dataset,
)
from tests.support.waiting import Pool

pytestmark = pytest.mark.machine


class Stopped(Exception):
    """What a test raises to interrupt a load."""


@pytest.fixture(params=["sqlite", "redis"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Open an empty store at each call, once of each kind."""
    prefix = f"sqlite:{tmp_path}/stores/"
    if request.param == "redis":
        prefix = request.getfixturevalue("redis_server").url.removesuffix("0")
    with stores(prefix) as open_new:
        yield open_new


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small datasets into several chunks, and those into several slices."""
    monkeypatch.setattr(load_module, "CHUNK", 60)
    monkeypatch.setattr(load_module, "SLICE", 25)
    monkeypatch.setattr(load_module, "CATALOGUE_CHUNK", 10)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """The small retailer."""
    return write_dataset(tmp_path / "dataset", retailer())


def test_profile_is_the_fold_of_the_events(dataset: Path, new_store: OpenStore) -> None:
    """A loaded customer is the fold of the file's events, its attributes and its link."""
    store = new_store()
    report = load_dataset(dataset, store, KEY, NOW)
    assert report.tables == (
        TableCount("items", 17, stored=17),
        TableCount("offers", 1, stored=1),
        TableCount("links", 12, stored=12),
        TableCount("unlinks", 0),
        TableCount("customers", 12, stored=12),
        TableCount("events", 340, stored=340),
    )
    events = EventTable(dataset, read_metadata(dataset), KEY, declare_names(), NOW).read(0, 340)
    for customer in range(12):
        loyalty, device = hashed("loyalty", f"r{customer}"), hashed("device", f"r{customer}")
        said = attributes_event(loyalty, {"segment": f"s{customer % 3}"})
        expected = {
            identifier: fold(
                Compartment(),
                [event for event in [*events, said] if event.identifier == identifier],
            )
            for identifier in (loyalty, device)
        }
        profile = store.read([device]).profile
        assert profile.compartments == expected
        assert profile.links == (Link(START if customer % 2 else -1, loyalty, device, "crm"),)
        assert view_of(profile.compartments.values()).attributes == said.attributes
    revision, rows = store.catalogue_changes(0)
    assert (revision, len(rows)) == (store.revision(), 18)
    item = next(row for row in rows if row.id == "i3")
    assert item.features == {"brand": ["b"], "size": ["1", "2"]}
    assert item.stock[0].as_of == START


def test_an_older_dataset_is_loaded(tmp_path: Path, new_store: OpenStore) -> None:
    """A dataset from before a column that may be null was declared gives the same store."""
    new = write_dataset(tmp_path / "new", retailer())
    old = write_dataset(tmp_path / "old", retailer())
    file = table_path(old, "events")
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(table.column_names[-4:]), file)
    assert table.column_names[-4:] == ["of_event", "receipt", "discount_units", "discount_nanos"]
    metadata = read_metadata(old)
    digests = {**metadata.digests, "events": file_digest(file)}
    write_metadata(old, msgspec.structs.replace(metadata, digests=digests))
    first, second = new_store(), new_store()
    load_dataset(new, first, KEY, NOW)
    load_dataset(old, second, KEY, NOW)
    assert profiles(first) == profiles(second)


def test_returns_are_loaded(tmp_path: Path, new_store: OpenStore) -> None:
    """A return in a dataset takes back in the store what it names, and keeps what it says."""
    rows = retailer(customers=1, each=1)
    bought = {
        **rows["events"][0],
        "event_id": "p",
        "type": "purchase",
        "receipt": "r1",
        "discount_units": 0,
        "discount_nanos": 500_000_000,
    }
    back = {**bought, "event_id": "r", "type": "return", "of_event": "p", "namespace": "loyalty"}
    rows["events"] = [bought, back]
    store = new_store()
    load_dataset(write_dataset(tmp_path / "dataset", rows), store, KEY, NOW)
    logged = [one for _, one in store.log(None) if isinstance(one, Event)]
    said = [(one.of_event, one.receipt, one.discount_nanos) for one in logged if one.receipt]
    assert sorted(said) == [("", "r1", 500_000_000), ("p", "r1", 500_000_000)]
    view = view_of(store.read([hashed("loyalty", "r0")]).profile.compartments.values())
    assert "purchase" not in view.lanes


def test_loading_twice_changes_nothing(dataset: Path, new_store: OpenStore) -> None:
    """A second run stores nothing, changes no profile and no revision, and says so."""
    store = new_store()
    load_dataset(dataset, store, KEY, NOW)
    once, revision = profiles(store), store.revision()
    report = load_dataset(dataset, store, KEY, NOW)
    assert all(count.skipped == count.rows and not count.stored for count in report.tables)
    assert profiles(store) == once
    assert store.revision() == revision


def test_what_is_withdrawn_is_not_revived(dataset: Path, new_store: OpenStore) -> None:
    """A load leaves what is withdrawn as it is, also what is withdrawn while it runs."""
    store = new_store()
    store.put_catalogue([Item(id="i3", withdrawn=True)])

    def withdraw(table: str, done: int, rows: int) -> None:
        if (table, done) == ("items", 10):
            store.put_catalogue([Item(id="i16", withdrawn=True)])

    report = load_dataset(dataset, store, KEY, NOW, withdraw)
    assert report.tables[0] == TableCount("items", 17, stored=15, conflicts=2)
    catalogue = catch_up(store, Catalogue())
    assert {item.id for item in catalogue.items.values() if item.withdrawn} == {"i3", "i16"}


def test_a_load_may_restore_what_is_withdrawn(dataset: Path, new_store: OpenStore) -> None:
    """With `restore` items are offered again, also after a load that has ended; events are not."""
    store = new_store()
    load_dataset(dataset, store, KEY, NOW)
    wanted = catch_up(store, Catalogue())
    store.put_catalogue([Item(id="i3", withdrawn=True)])
    assert load_dataset(dataset, store, KEY, NOW).tables[0].skipped == 17
    report = load_dataset(dataset, store, KEY, NOW, restore=True)
    assert report.tables[0] == TableCount("items", 17, stored=1, duplicates=16)
    assert report.tables[-1].skipped == report.tables[-1].rows
    assert catch_up(store, Catalogue()).items == wanted.items


def test_a_grown_dataset_adds_what_is_new(
    tmp_path: Path, dataset: Path, new_store: OpenStore
) -> None:
    """A dataset that holds an earlier one and more stores only the difference."""
    tables = retailer()
    more = {**tables["events"][0], "event_id": "new"}
    grown = write_dataset(
        tmp_path / "grown",
        {
            **tables,
            "events": [*tables["events"], more],
            "items": [*tables["items"], {"item": "i99"}],
        },
    )
    store, clean = new_store(), new_store()
    load_dataset(dataset, store, KEY, NOW)
    report = {count.table: count for count in load_dataset(grown, store, KEY, NOW).tables}
    assert report["items"] == TableCount("items", 18, stored=1, duplicates=17)
    assert report["events"] == TableCount("events", 341, stored=1, duplicates=340)
    load_dataset(grown, clean, KEY, NOW)
    assert profiles(store) == profiles(clean)


@pytest.mark.parametrize("stop_after", [1, 2, 3, 5, 8, 12, 17])
def test_an_interrupted_load_is_finished_by_the_next(
    dataset: Path, new_store: OpenStore, stop_after: int
) -> None:
    """However far a load got, loading again gives what one clean load gives."""
    store, clean = new_store(), new_store()
    load_dataset(dataset, clean, KEY, NOW)
    calls = 0

    def stop(table: str, done: int, rows: int) -> None:
        nonlocal calls
        calls += 1
        if calls == stop_after:
            raise Stopped

    with pytest.raises(Stopped):
        load_dataset(dataset, store, KEY, NOW, stop)
    load_dataset(dataset, store, KEY, NOW)
    assert profiles(store) == profiles(clean)
    assert store.catalogue_changes(0)[1] == clean.catalogue_changes(0)[1]


def test_load_works_beside_a_running_service(dataset: Path, new_store: OpenStore) -> None:
    """Events that arrive while history is loaded are kept, and so is the history."""
    store, clean = new_store(), new_store()
    live = [
        Event(
            event_id=f"live{number}",
            identifier=hashed("loyalty", f"r{number % 12}"),
            type="view",
            channel="web",
            time=NOW + number,
        )
        for number in range(120)
    ]

    def write() -> list[RecordOutcome]:
        return [store.record([event], NOW)[0] for event in live]

    with Pool(1) as pool:
        written = pool.submit(write)
        load_dataset(dataset, store, KEY, NOW)
        assert set(written.result()) == {EventOutcome.STORED}
    clean.record(live, NOW)
    load_dataset(dataset, clean, KEY, NOW)
    assert profiles(store) == profiles(clean)


CHILD = """
import sys
from pathlib import Path
from service.dataset import load
from service.store.opening import open_store

load.CHUNK, load.SLICE = 60, 5
key = bytes(range(32))
store = open_store(sys.argv[2], key=key)
progress = lambda table, done, rows: print(table, done, flush=True)
load.load_dataset(Path(sys.argv[1]), store, key, 2 * 10**15, progress)
"""


def test_a_killed_load_is_finished_by_the_next(
    tmp_path: Path, dataset: Path, new_store: OpenStore
) -> None:
    """After SIGKILL in the middle of writing, loading again gives what one clean load gives."""
    url = f"sqlite:{tmp_path}/killed"
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(dataset), url], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("events 75"):
                child.kill()
                break
    assert child.returncode == -signal.SIGKILL
    store, clean = open_store(url, key=KEY), new_store()
    try:
        report = load_dataset(dataset, store, KEY, NOW)
        load_dataset(dataset, clean, KEY, NOW)
        assert 0 < report.tables[-1].skipped < 340
        assert profiles(store) == profiles(clean)
    finally:
        store.close()


def test_the_order_of_the_file_does_not_matter(
    tmp_path: Path, dataset: Path, new_store: OpenStore
) -> None:
    """The same rows in another order are the same profiles."""
    tables = retailer()
    for rows in tables.values():
        random.Random(7).shuffle(rows)
    shuffled = write_dataset(tmp_path / "shuffled", tables)
    one, other = new_store(), new_store()
    load_dataset(dataset, one, KEY, NOW)
    load_dataset(shuffled, other, KEY, NOW)
    assert profiles(one) == profiles(other)


def test_links_and_history_may_come_apart(
    tmp_path: Path, dataset: Path, new_store: OpenStore
) -> None:
    """Links that come after the history give what links that come before it give."""
    tables = retailer()
    links = {"links": tables.pop("links"), "events": [], "items": []}
    history = write_dataset(tmp_path / "history", tables)
    later = write_dataset(tmp_path / "later", links)
    one, other = new_store(), new_store()
    load_dataset(dataset, one, KEY, NOW)
    load_dataset(history, other, KEY, NOW)
    load_dataset(later, other, KEY, NOW)
    assert profiles(one) == profiles(other)


def test_chains_of_links_are_one_customer(tmp_path: Path, new_store: OpenStore) -> None:
    """Linked one after the other, or crosswise, they are one customer; each word is kept once."""
    names = [("loyalty", f"r{number}") for number in range(30)]
    pairs = [(names[number], names[number + 1]) for number in range(29) if number % 10 != 9]
    pairs += [(b, a) for a, b in pairs[:5]] + [(names[0], names[9])]
    links = [
        {
            "namespace_a": a[0],
            "identifier_a": a[1],
            "namespace_b": b[0],
            "identifier_b": b[1],
            "asserted_by": "crm",
        }
        for a, b in pairs
    ]
    random.Random(3).shuffle(links)
    chained = write_dataset(tmp_path / "d", {"events": [], "items": [], "links": links})
    one, other = new_store(), new_store()
    for store in (one, other):
        report = {count.table: count for count in load_dataset(chained, store, KEY, NOW).tables}
        assert report["links"] == TableCount("links", 33, stored=28, duplicates=5)
    customers = [store.read([hashed(*name)]).profile.customer for name in names]
    assert len(set(customers)) == 3
    assert customers == [one.read([hashed(*name)]).profile.customer for name in names]


def test_undated_history_is_loaded(tmp_path: Path, new_store: OpenStore) -> None:
    """Events without a time are loaded whole, and age nothing."""
    tables = retailer()
    for event in tables["events"]:
        event["time"] = None
    undated = write_dataset(tmp_path / "undated", tables, kind="undated")
    store = new_store()
    report = load_dataset(undated, store, KEY, NOW)
    assert report.tables[-1] == TableCount("events", 340, stored=340)
    counts = (
        store.read([hashed("loyalty", "r0")]).profile.compartments[hashed("loyalty", "r0")].counts
    )
    assert {count.rsplit(" ", 1)[1] for count in counts} == {"-1"}


def test_rows_that_contradict_each_other_count_once(tmp_path: Path, new_store: OpenStore) -> None:
    """Of rows with one event id the first stands; repeats are duplicates or conflicts."""
    event = retailer()["events"][1]
    rows = [
        event,
        event,
        {**event, "item": "other"},
        {**event, "time": event["time"] - 1},
    ]
    contradicting = write_dataset(tmp_path / "d", {"events": rows, "items": []})
    store = new_store()
    report = load_dataset(contradicting, store, KEY, NOW)
    assert report.tables[-1] == TableCount("events", 4, stored=1, duplicates=1, conflicts=2)


def test_what_was_withdrawn_stays_withdrawn(
    tmp_path: Path, dataset: Path, new_store: OpenStore
) -> None:
    """A load does not bring an item back that was withdrawn in the store."""
    store = new_store()
    load_dataset(dataset, store, KEY, NOW)
    gone = item_from_row(("i3", *[None] * 14))
    store.put_catalogue([msgspec.structs.replace(gone, withdrawn=True)])
    tables = retailer()
    again = write_dataset(tmp_path / "again", {**tables, "events": []})
    report = load_dataset(again, store, KEY, NOW)
    assert report.tables[0] == TableCount("items", 17, duplicates=16, conflicts=1)
    rows = {row.id: row for row in store.catalogue_changes(0)[1]}
    assert rows["i3"].withdrawn


def test_keyed_datasets_need_their_key(tmp_path: Path, new_store: OpenStore) -> None:
    """Keyed hashes are taken as they are, and only under the key they were made with."""
    identifier = hashed("loyalty", "r1")
    event = {
        **retailer()["events"][1],
        "namespace": "keyed",
        "identifier": identifier.hex(),
    }
    keyed = write_dataset(
        tmp_path / "keyed",
        {"events": [event], "items": []},
        identifiers="keyed",
        key_fingerprint=key_fingerprint(KEY),
    )
    store = new_store()
    with pytest.raises(WrongKey, match=key_fingerprint(KEY)):
        load_dataset(keyed, store, bytes(32), NOW)
    load_dataset(keyed, store, KEY, NOW)
    assert list(store.read([identifier]).profile.compartments) == [identifier]
