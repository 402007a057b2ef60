"""Exporting a store: a dataset that is whole, keyed, and gives the same store again."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.domain.catalogue import OFFER_CLASSES, Item, Money, Offer, Row, Stock
from models.domain.dataset import Kind, read_metadata
from models.domain.decisions import (
    Decision,
    DecisionRecord,
    KeptCandidates,
    Moment,
    Request,
    ShownOffer,
    Source,
)
from models.domain.events import Event
from models.domain.identifiers import key_fingerprint
from models.domain.names import DEFAULT_PREFIX
from service.dataset import export as export_module
from service.dataset.export import export_log
from service.dataset.load import TableCount, load_dataset
from service.dataset.parquet import Table
from service.dataset.rows import (
    event_from_row,
    event_row,
    item_from_row,
    item_row,
    offer_from_row,
    offer_row,
)
from service.store.customers.planning import Arrival
from service.store.store import Store
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
from training.log.dataset import read_dataset

pytestmark = pytest.mark.machine

FINGERPRINT = key_fingerprint(KEY)


@pytest.fixture(params=["sqlite", "redis"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Open an empty store at each call, once of each kind."""
    prefix = f"sqlite:{tmp_path}/stores/"
    if request.param == "redis":
        prefix = request.getfixturevalue("redis_server").url.removesuffix("0")
    with stores(prefix) as open_new:
        yield open_new


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write small tables in several batches."""
    monkeypatch.setattr(export_module, "BATCH", 100)


@pytest.fixture
def loaded(tmp_path: Path, new_store: OpenStore) -> Store:
    """A store with the small retailer."""
    store = new_store()
    load_dataset(write_dataset(tmp_path / "dataset", retailer()), store, KEY, NOW)
    return store


def record(store: Store, number: int) -> DecisionRecord:
    """Return a decision record of the store about a customer of the small retailer."""
    customer = hashed("loyalty", "r1")
    shown = ShownOffer("coupon", "i1", 1, 0, 5, Source.HISTORY)
    moment = Moment(
        profile_version=1,
        catalogue_revision=1,
        release="r",
        policy="p",
        minute=START,
        intent="default",
        context="",
    )
    return DecisionRecord(
        id=store.new_decision_id(customer, START + number),
        customer=customer,
        time=START + number,
        request=Request(channel="web", placement="home"),
        profile=b"\x00\xff",
        decision=Decision(
            moment=moment,
            slate=(shown,),
            withheld=(),
            flags=(),
            unknown_ids=0,
            candidates=KeptCandidates(b"", ("coupon",)),
            shared=1,
        ),
    )


def test_export_and_load_is_the_same_store(
    tmp_path: Path, loaded: Store, new_store: OpenStore
) -> None:
    """Loading an export under the same key gives the same profiles, links and catalogue."""
    out = tmp_path / "export"
    report = export_log(loaded, out, None, FINGERPRINT)
    assert report.kind == "timed"
    assert report.rows == {
        "events": 340,
        "items": 17,
        "offers": 1,
        "customers": 12,
        "links": 12,
        "unlinks": 0,
        "identifiers": 24,
        "decisions": 0,
    }
    other = new_store()
    counts = load_dataset(out, other, KEY, NOW).tables
    assert all(count.stored == count.rows for count in counts)
    assert profiles(other) == profiles(loaded)
    assert sorted(other.catalogue_changes(0)[1], key=_order) == sorted(
        loaded.catalogue_changes(0)[1], key=_order
    )


def test_the_last_word_on_a_pair_is_exported(
    tmp_path: Path, loaded: Store, new_store: OpenStore
) -> None:
    """A link taken back is an unlink, and made again a link; loaded, they do the same."""
    pairs = [(hashed("loyalty", f"r{at}"), hashed("device", f"r{at}")) for at in range(3)]
    for number, (a, b) in enumerate(pairs):
        assert loaded.unlink(b, a, "agent", NOW + number).changed
    assert loaded.link(*pairs[2], "login", NOW + 9).changed
    report = export_log(loaded, tmp_path / "e", None, FINGERPRINT)
    assert (report.rows["links"], report.rows["unlinks"]) == (10, 2)
    other, before = new_store(), new_store()
    load_dataset(tmp_path / "e", other, KEY, NOW)
    assert profiles(other) == profiles(loaded)

    later = export_log(loaded, tmp_path / "later", NOW + 1, FINGERPRINT)
    assert (later.rows["links"], later.rows["unlinks"]) == (1, 1)
    first = write_dataset(tmp_path / "first", retailer())
    load_dataset(first, before, KEY, NOW)
    counts = load_dataset(tmp_path / "later", before, KEY, NOW).tables
    assert TableCount("unlinks", 1, stored=1) in counts
    assert TableCount("links", 1, duplicates=1) in counts
    assert not before.link(*pairs[0], "login", NOW).changed
    assert before.link(*pairs[1], "login", NOW).changed


def test_export_into_its_own_store_changes_nothing(tmp_path: Path, loaded: Store) -> None:
    """What a store exported, it knows already."""
    before, revision = profiles(loaded), loaded.revision()
    export_log(loaded, tmp_path / "export", None, FINGERPRINT)
    counts = load_dataset(tmp_path / "export", loaded, KEY, NOW).tables
    assert all(count.duplicates == count.rows for count in counts)
    assert (profiles(loaded), loaded.revision()) == (before, revision)


def test_metadata_says_what_it_is(tmp_path: Path, loaded: Store) -> None:
    """The metadata names the key, the rows and the declared names, and holds every digest."""
    declared = {"watch": "view"}
    export_log(loaded, tmp_path / "e", None, FINGERPRINT, event_types=declared, channels=["kiosk2"])
    metadata = read_metadata(tmp_path / "e")
    assert (metadata.identifiers, metadata.key_fingerprint) == ("keyed", FINGERPRINT)
    assert (metadata.event_types, metadata.channels) == (declared, ["kiosk2"])
    assert metadata.namespaces == ["keyed"]
    assert sorted(metadata.digests) == sorted(metadata.rows)
    events = Table(tmp_path / "e", "events")
    assert {row[1] for row in events.rows()} == {"keyed"}
    assert {row[2] for row in events.rows()} == {
        hashed(namespace, f"r{customer}").hex()
        for namespace in ("loyalty", "device")
        for customer in range(12)
    }


def test_training_reads_an_export(tmp_path: Path, loaded: Store) -> None:
    """What the service writes with one library, training reads with another, by one declaration."""
    loaded.commit(record(loaded, 1))
    report = export_log(loaded, tmp_path / "e", None, FINGERPRINT)
    tables = read_dataset(tmp_path / "e").tables
    assert {name: table.height for name, table in tables.items()} == report.rows
    assert tables["events"]["time"].dt.timestamp("us").min() == START


def test_since_is_the_time_of_arrival(tmp_path: Path, loaded: Store) -> None:
    """With `since` only what arrived then or later is exported, whatever time it bears."""
    late = Event(
        event_id="late",
        identifier=hashed("loyalty", "r1"),
        type="view",
        channel="web",
        time=START,
    )
    loaded.record([late], NOW + 1)
    report = export_log(loaded, tmp_path / "e", NOW + 1, FINGERPRINT)
    assert (report.rows["events"], report.rows["links"]) == (1, 0)
    assert report.rows["items"] == 17
    assert Table(tmp_path / "e", "events").rows() == [event_row(late)]


def test_decisions_are_exported_whole(tmp_path: Path, loaded: Store) -> None:
    """A decision's row says what was shown, and its record is the whole record."""
    records = [record(loaded, number) for number in range(3)]
    for decided in records:
        loaded.commit(decided)
    assert export_log(loaded, tmp_path / "e", None, FINGERPRINT).rows["decisions"] == 3
    rows = Table(tmp_path / "e", "decisions").rows()
    assert rows[1][:-1] == (
        records[1].id,
        hashed("loyalty", "r1").hex(),
        START + 1,
        "web",
        "home",
        "default",
        "r",
        "p",
        ["coupon"],
    )
    assert [msgspec.json.decode(row[-1], type=DecisionRecord) for row in rows] == records


@pytest.mark.parametrize(
    ("stamps", "kind"),
    [
        ([{"time": START}, {"time": START + 1}], "timed"),
        ([{"sequence": 1}, {"sequence": 2}], "ordered"),
        ([{}, {}], "undated"),
        ([{}, {"time": START}], "mixed"),
        ([{"sequence": 1}, {"time": START}], "mixed"),
        ([], "timed"),
    ],
)
def test_kind_follows_the_events(
    tmp_path: Path, new_store: OpenStore, stamps: list[dict[str, int]], kind: Kind
) -> None:
    """The dataset is of the kind of all its events, or mixed."""
    store = new_store()
    events = [
        Event(
            event_id=f"e{number}",
            identifier=hashed("loyalty", "r1"),
            type="view",
            channel="web",
            time=stamp.get("time"),
            sequence=stamp.get("sequence"),
        )
        for number, stamp in enumerate(stamps)
    ]
    store.load(events, [], Arrival(NOW))
    assert export_log(store, tmp_path / "e", None, FINGERPRINT).kind == kind
    assert read_metadata(tmp_path / "e").kind == kind


def test_attributes_with_a_time_are_events(tmp_path: Path, new_store: OpenStore) -> None:
    """A live statement of attributes is exported as the event it was, not as a customer."""
    said = Event(
        event_id="a1",
        identifier=hashed("loyalty", "r1"),
        type="attributes_changed",
        channel="web",
        time=START,
        attributes={"segment": "s"},
    )
    store = new_store()
    store.record([said], START)
    rows = export_log(store, tmp_path / "e", None, FINGERPRINT).rows
    assert (rows["events"], rows["customers"]) == (1, 0)
    assert Table(tmp_path / "e", "events").rows() == [event_row(said)]


def test_withdrawn_rows_are_left_out(tmp_path: Path, new_store: OpenStore) -> None:
    """Withdrawn items and offers are not part of an export."""
    store = new_store()
    store.put_catalogue(
        [
            Item(id="i1"),
            Item(id="i2", withdrawn=True),
            Offer(id="o1", items=("i1",), withdrawn=True),
        ]
    )
    rows = export_log(store, tmp_path / "e", None, FINGERPRINT).rows
    assert (rows["items"], rows["offers"]) == (1, 0)


def test_an_existing_directory_is_left_alone(tmp_path: Path, new_store: OpenStore) -> None:
    """A directory with anything in it is refused and stays as it is."""
    out = tmp_path / "e"
    out.mkdir()
    (out / "precious").touch()
    with pytest.raises(FileExistsError, match="not an empty directory"):
        export_log(new_store(), out, None, FINGERPRINT)
    assert [path.name for path in tmp_path.iterdir() if path.name != "stores"] == ["e"]
    assert [path.name for path in out.iterdir()] == ["precious"]


def test_a_broken_export_leaves_nothing(tmp_path: Path, loaded: Store) -> None:
    """An export that is interrupted leaves no directory behind, whole or half."""

    def stop(table: str, rows: int) -> None:
        raise KeyboardInterrupt

    before = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        export_log(loaded, tmp_path / "e", None, FINGERPRINT, stop)
    assert sorted(tmp_path.iterdir()) == before


texts = st.text(st.characters(codec="utf-8"), max_size=8)
ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
whole = st.integers(-(2**63), 2**63 - 1)
times = st.integers(0, 2**52)
moneys = st.builds(Money, st.just("EUR"), whole, whole)
features = st.dictionaries(texts, st.lists(texts, max_size=3), max_size=3)
groups = st.sets(ids, max_size=3).map(lambda names: tuple(sorted(names)))
stocks = st.lists(st.builds(Stock, texts, whole, times), max_size=3).map(tuple)


@settings(max_examples=50)
@given(
    st.builds(
        Event,
        event_id=ids,
        identifier=st.binary(min_size=16, max_size=16),
        type=st.just("view"),
        channel=ids,
        time=st.none() | times,
        sequence=st.none() | whole,
        item=texts,
        offer=texts,
        placement=texts,
        place=texts,
        quantity=st.floats(0, 1e9),
        amount_units=whole,
        amount_nanos=whole,
        currency=texts,
        decision_id=texts,
        attributes=st.dictionaries(texts, texts, max_size=3),
        of_event=texts,
        receipt=texts,
        discount_units=whole,
        discount_nanos=whole,
    )
)
def test_an_event_survives_its_row(event: Event) -> None:
    """An event written as a row and read again is the same event, to the last bit."""
    assert event_from_row(event_row(event), event.identifier) == event


@settings(max_examples=50)
@given(
    st.builds(
        Item,
        id=ids,
        title=texts,
        features=features,
        price=st.none() | moneys,
        value=st.none() | moneys,
        stock=stocks,
        price_until=st.none() | times,
        offer_class=st.sampled_from(OFFER_CLASSES),
        sensitivity=texts,
        groups=groups,
    )
    | st.builds(
        Offer,
        id=ids.filter(lambda text: not text.startswith(DEFAULT_PREFIX)),
        title=texts,
        items=st.lists(ids, min_size=1, max_size=3).map(tuple),
        features=features,
        price=st.none() | moneys,
        value=st.none() | moneys,
        valid_from=st.none() | st.integers(0, 100),
        valid_until=st.none() | st.integers(101, 200),
        channels=st.lists(ids, max_size=3).map(tuple),
        stock=stocks,
        price_until=st.none() | times,
        offer_class=st.sampled_from(OFFER_CLASSES),
        sensitivity=texts,
        groups=groups,
        creatives=st.dictionaries(ids, ids, max_size=3),
        volume=st.none() | st.integers(1, 10**9),
    )
)
def test_a_catalogue_row_survives_its_row(row: Item | Offer) -> None:
    """An item or offer written as a row and read again is the same."""
    again = (
        item_from_row(item_row(row)) if isinstance(row, Item) else offer_from_row(offer_row(row))
    )
    assert again == row


def _order(row: Row) -> tuple[str, str]:
    return (type(row).__name__, row.id)
