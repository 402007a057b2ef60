"""What workers of a machine share: one makes it, the others map it, and all decide alike."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from structlog.testing import capture_logs

from models.domain import row_map
from models.domain.catalogue import Item, Money
from models.ranking import offer_index
from models.ranking.offer_index import OfferIndex
from models.release.registry import Registry
from service.config.clock import Clock
from service.decisions import preparation, serving, shared_index
from service.decisions.active_release import ActiveRelease
from service.decisions.shared_index import INDEX, RELEASE, SharedIndexes
from service.store.opening import open_store
from service.store.store import Store
from tests.support.in_process import enter_release
from tests.support.small_release import small_rows

KEY = bytes(32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with the small catalogue."""
    opened = open_store(f"sqlite:///{tmp_path / 'store'}", key=KEY, timeout=30)
    opened.put_catalogue(small_rows())
    yield opened
    opened.close()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry with a release in force."""
    found = Registry(tmp_path / "registry")
    found.promote(enter_release(found.directory), 1)
    return found


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where workers share."""
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


@pytest.fixture(autouse=True)
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the releases of this file their trials, each of which is a process."""
    monkeypatch.setattr(preparation, "try_release", lambda directory: None)


def started(store: Store, registry: Registry, directory: Path | None) -> ActiveRelease:
    """Return what a worker decides with once it has started."""
    worker = ActiveRelease(store, registry, Clock(None), SharedIndexes(directory))
    worker.refresh_catalogue()
    worker.load_in_force()
    return worker


def index_of(worker: ActiveRelease) -> OfferIndex:
    """Return the index that a worker decides with."""
    index = worker.snapshot.index
    assert index is not None
    assert index.catalogue is worker.snapshot.catalogue
    return index


def forbid(*args: object) -> None:
    """Be what must not be called."""
    raise AssertionError("made anew")


def test_a_further_worker_makes_nothing(
    store: Store, registry: Registry, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It maps release, catalogue and index that the first one made, and reads only what is new."""
    first = started(store, registry, directory)
    store.put_catalogue([Item(id="item1", price=Money("EUR", 77))])
    read: list[int] = []
    changes = store.catalogue_changes
    monkeypatch.setattr(
        store, "catalogue_changes", lambda since: (read.append(since), changes(since))[1]
    )
    monkeypatch.setattr(serving, "try_and_load", forbid)
    monkeypatch.setattr(offer_index.OfferIndex, "__init__", forbid)
    second = started(store, registry, directory)
    assert min(read) == first.snapshot.catalogue.revision
    first.follow_catalogue()
    for one in (first, second):
        price = index_of(one).catalogue.items["item1"].price
        assert price == Money("EUR", 77)
    assert second.release_id == first.release_id
    assert list(index_of(second).rows.ids) == list(index_of(first).rows.ids)


def test_what_one_makes_anew_the_others_take(
    store: Store, registry: Registry, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where much changed, one index is made, and the one file of before goes."""
    monkeypatch.setattr(row_map, "FEW", 4)
    workers = [started(store, registry, directory) for _ in range(3)]
    made: list[int] = []
    share = SharedIndexes.share
    monkeypatch.setattr(
        SharedIndexes, "share", lambda self, *args: (made.append(1), share(self, *args))[1]
    )
    for round_ in range(1, 4):
        rows = [Item(id=f"{round_}-{number}", title="new") for number in range(40 * round_)]
        store.put_catalogue(rows)
        for worker in workers:
            worker.follow_catalogue()
            assert len(index_of(worker).catalogue.items) >= len(rows)
        assert len(made) == round_
        assert len({index_of(worker).made_at for worker in workers}) == 1
    assert len(list(directory.glob(f"{INDEX}-*.arrays"))) == 1
    assert len(list(directory.glob(f"{RELEASE}-*.arrays"))) == 1
    assert not list(directory.glob("*.part"))


@pytest.mark.parametrize("lone", [False, True])
def test_rows_that_changed_do_not_stay_objects(
    store: Store, registry: Registry, directory: Path, lone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once much has changed it is packed, also where no release is in force; nothing is lost."""
    monkeypatch.setattr(row_map, "FEW", 4)
    worker = started(store, registry, None if lone else directory)
    other = ActiveRelease(store, Registry(directory), Clock(None), SharedIndexes(None))
    other.refresh_catalogue()
    names = sorted(worker.snapshot.catalogue.items)
    for at, name in enumerate(names):
        store.put_catalogue([Item(id=name, price=Money("EUR", at))])
        for one in (worker, other):
            one.follow_catalogue()
            assert not one.snapshot.catalogue.loose
            items = one.snapshot.catalogue.items
            assert [items[name].price for name in names[: at + 1]] == [
                Money("EUR", units) for units in range(at + 1)
            ]


def test_workers_that_change_and_start_at_once_agree(
    store: Store, registry: Registry, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However starts and changes fall together, all workers end at the same catalogue."""
    monkeypatch.setattr(row_map, "FEW", 4)
    workers: list[ActiveRelease] = []

    def live(number: int) -> None:
        worker = started(store, registry, directory)
        for at in range(8):
            rows = [Item(id=f"{number}-{at}-{row}") for row in range(4 * number + 1)]
            store.put_catalogue(rows)
            worker.follow_catalogue()
        workers.append(worker)

    threads = [Thread(target=live, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(workers) == 4
    for worker in workers:
        worker.follow_catalogue()
    states = [dict(index_of(worker).catalogue.items) for worker in workers]
    assert all(state == states[0] for state in states)
    for worker in workers:
        index = index_of(worker)
        assert {index.rows.row_of_item(item) for item in states[0]}.isdisjoint({None})
        afresh = OfferIndex(index.release, index.catalogue)
        assert index.availability.live.sum() == afresh.availability.live.sum()


def test_a_store_that_went_back_is_read_anew(
    store: Store, registry: Registry, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was shared of a store before it went back is mapped by nobody any more."""
    worker = started(store, registry, directory)
    monkeypatch.setattr(type(store), "epoch", property(lambda self: 7))
    assert SharedIndexes(directory).catalogue(7) is None
    worker.follow_catalogue()
    (file,) = directory.glob(f"{INDEX}-*.arrays")
    assert "-7-" in file.name
    alone = started(store, registry, None)
    assert dict(index_of(worker).catalogue.items) == dict(index_of(alone).catalogue.items)


def test_where_nothing_can_be_written_each_has_its_own(
    store: Store, registry: Registry, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk a worker serves what it made, says so, and leaves no half file."""

    def full(path: Path, arrays: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shared_index, "write_arrays", full)
    with capture_logs() as logs:
        worker = started(store, registry, directory)
    assert index_of(worker).rows.items
    assert {line["reason"] for line in logs if "shared" in line["event"]} == {
        "No space left on device"
    }
    assert not list(directory.glob("*.part"))
    assert not list(directory.glob("*.arrays"))


def test_another_version_of_the_code_maps_nothing(
    store: Store, registry: Registry, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of a later version, which replaces one while others serve, makes its own."""
    first = started(store, registry, directory)
    monkeypatch.setattr(shared_index, "_code_digest", lambda: "later")
    later = SharedIndexes(directory)
    assert later.catalogue(store.epoch) is None
    assert later.index(index_of(first).release, store.epoch) is None
    assert later.release(first.release_id) is None


def test_who_makes_one_for_too_long_is_not_waited_for(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that hangs with the lock keeps the others for so long and not longer."""
    monkeypatch.setattr(shared_index, "LOCK_SECONDS", 0.1)
    with SharedIndexes(directory).alone(INDEX), capture_logs() as logs:
        with SharedIndexes(directory).alone(RELEASE):
            assert logs == []
        with SharedIndexes(directory).alone(INDEX):
            assert [line["event"] for line in logs] == ["other worker not waited for"]
