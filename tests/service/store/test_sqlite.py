"""What only the embedded store can meet: files, locks, a full disk, other processes."""

import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from models.domain.catalogue import Item
from models.errors import StoreUnavailable
from service.store.customers.planning import Arrival, EventOutcome
from service.store.database.backend import SealedDecision
from service.store.database.location import DATABASE
from service.store.opening import open_store
from service.store.outcomes import LoadCounts
from service.store.records.spill import Spill
from service.store.sqlite.backend import SqliteBackend
from service.store.sqlite.lock import lock_directory
from service.store.sqlite.writer import Writer
from service.store.store import Store
from service.store.store import Store as StoreOver
from tests.support.backends import STORE_KEY
from tests.support.events import NOW, counted, event, identifier, logged
from tests.support.waiting import Pool

pytestmark = pytest.mark.machine

Open = Callable[[str], Store]

ANN, BOB = identifier(1), identifier(2)
STORED = EventOutcome.STORED


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """The writer's connection is in WAL mode and syncs every commit."""
    backend = SqliteBackend(tmp_path)
    modes = backend._submit(
        lambda connection: [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        ]
    )
    assert modes == ["wal", 2]
    backend.close()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_only_its_owner_reads_a_store(tmp_path: Path, umask: int) -> None:
    """Database, WAL, lock and spilled records are of mode 0600 in 0700, whatever the umask."""
    before = os.umask(umask)
    try:
        directory = tmp_path / "store"
        directory.mkdir(mode=0o755)
        directory.chmod(0o755)  # made by somebody else: what is in it is private all the same
        backend = SqliteBackend(directory)
        lock = lock_directory(directory)
        spill = Spill(directory / "spill") if umask != 0o777 else Spill(directory)
        assert spill.append([SealedDecision("d", ANN, 1, b"x")]) == 0
        files = [path for path in directory.rglob("*") if path.is_file()]
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files}
        spill.close()
        lock.close()
        backend.close()
    finally:
        os.umask(before)
    assert len(modes) == 5
    assert set(modes.values()) == {0o600}, modes


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A directory that cannot be made, or holds no database, gives an error that says where."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="file: File exists"):
        open_store(f"sqlite:{tmp_path / 'file'}", key=STORE_KEY)
    with pytest.raises(StoreUnavailable, match="file: File exists"):
        lock_directory(tmp_path / "file")
    (tmp_path / DATABASE).write_bytes(b"not a database" * 100)
    with pytest.raises(StoreUnavailable, match=f"{DATABASE}: file is not a database"):
        open_store(f"sqlite:{tmp_path}", key=STORE_KEY)


def test_only_one_server_has_a_directory(tmp_path: Path) -> None:
    """A second server is refused while the first lives; afterwards the next may come."""
    with lock_directory(tmp_path / "new"):
        with pytest.raises(StoreUnavailable, match="another server"):
            lock_directory(tmp_path / "new")
        # Commands beside a server do not need the lock.
        open_store(f"sqlite:{tmp_path / 'new'}", key=STORE_KEY).close()
    lock_directory(tmp_path / "new").close()


def test_a_lock_of_a_killed_server_is_free(tmp_path: Path) -> None:
    """The lock goes with its process, however that ends."""
    program = (
        "import sys, time; from pathlib import Path;"
        "from service.store.sqlite.lock import lock_directory;"
        "lock = lock_directory(Path(sys.argv[1])); print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"locked\n"
        with pytest.raises(StoreUnavailable, match="another server"):
            lock_directory(tmp_path)
        child.kill()
    lock_directory(tmp_path).close()


def test_a_lock_held_too_long_refuses_writes_only(tmp_path: Path) -> None:
    """While another process writes on and on, events are refused and reads go on."""
    backend = SqliteBackend(tmp_path, busy=0.1)
    store = StoreOver(backend, lambda: NOW, STORE_KEY)
    store.record([event("e1", ANN)], NOW)
    with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        (refused,) = store.record([event("e2", ANN)], NOW)
        assert isinstance(refused, StoreUnavailable)
        assert "locked" in str(refused)
        assert counted(store, ANN) == 1
        other.execute("ROLLBACK")
    assert store.record([event("e2", ANN)], NOW) == [STORED]
    store.close()


def test_a_lock_held_too_long_is_waited_for_once(tmp_path: Path) -> None:
    """Writers who are queued together wait for another process together, not one after another."""
    store = StoreOver(SqliteBackend(tmp_path, busy=0.5), lambda: NOW, STORE_KEY)
    with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with Pool(8) as pool:
            outcomes = list(
                pool.map(lambda n: store.record([event("e", identifier(n))], NOW)[0], range(8))
            )
        # The first may be in a commit of its own, the others are then in the next.
        assert time.monotonic() - started < 3 * 0.5
        assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
        other.execute("ROLLBACK")
    assert store.record([event("e", ANN)], NOW) == [STORED]
    store.close()


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes: what a full disk looks like."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_refuses_events_whole(tmp_path: Path, opened: Open) -> None:
    """On a full disk nothing is half-stored and reads go on; with room again, so do writes."""
    store = opened(f"sqlite:{tmp_path}")
    store.record([event("e1", ANN)], NOW)
    wal = (tmp_path / f"{DATABASE}-wal").stat().st_size
    batch = [event(f"big{number}", identifier(number), item="x" * 100) for number in range(300)]
    with file_size_limit(wal + 8192):
        outcomes = store.record(batch, NOW)
        assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
        assert counted(store, ANN) == 1
        assert logged(store) == {(ANN, "e1"): 1}
    assert store.record(batch, NOW) == [STORED] * 300
    assert set(logged(store).values()) == {1}


def reading_log(backend: SqliteBackend) -> Iterator[bytes]:
    """Read the log."""
    return backend.log()


def reading_decisions(backend: SqliteBackend) -> Iterator[tuple[str, bytes]]:
    """Read the decision records."""
    return backend.decisions(None)


def reading_chain(backend: SqliteBackend) -> Iterator[bytes]:
    """Read the chain of the records."""
    return backend.chain()


@pytest.mark.parametrize("reading", [reading_log, reading_decisions, reading_chain])
def test_a_paused_reader_keeps_no_journal(
    tmp_path: Path, reading: Callable[[SqliteBackend], Iterator[object]]
) -> None:
    """While somebody reads slowly the WAL stays small; they see all that was there at first."""
    with closing(SqliteBackend(tmp_path)) as backend:
        store = StoreOver(backend, lambda: NOW, STORE_KEY)
        assert store.record([event(f"e{n}", identifier(n)) for n in range(1_500)], NOW)
        backend.put_decisions([SealedDecision(f"d{n}", ANN, n, b"x") for n in range(1_500)])
        for number in range(1_500):
            backend.append_chain(b"%d" % number)
        entries = reading(backend)
        found = [next(entries)]
        for start in range(0, 30_000, 1_000):
            more = [event(f"m{n}", BOB, item="x" * 200) for n in range(start, start + 1_000)]
            assert store.record(more, NOW) == [STORED] * 1_000
        assert (tmp_path / f"{DATABASE}-wal").stat().st_size < 8 << 20
        found += entries
        assert len(found) == len(set(found)) == 1_500


def test_a_journal_that_grew_shrinks_again(tmp_path: Path) -> None:
    """The file of a WAL that another program's reader made grow is cut once that is gone."""
    with closing(SqliteBackend(tmp_path)) as backend:
        store = StoreOver(backend, lambda: NOW, STORE_KEY)
        assert store.record([event("e1", ANN)], NOW) == [STORED]
        with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT count(*) FROM log").fetchone()
            for start in range(0, 60_000, 1_000):
                more = [event(f"m{n}", BOB, item="x" * 200) for n in range(start, start + 1_000)]
                assert store.record(more, NOW) == [STORED] * 1_000
            grown = (tmp_path / f"{DATABASE}-wal").stat().st_size
        assert grown > 20 << 20
        for number in range(30):
            assert store.record([event(f"n{number}", ANN)], NOW) == [STORED]
        assert (tmp_path / f"{DATABASE}-wal").stat().st_size <= 16 << 20


def test_trust_in_new_events_is_no_risk(tmp_path: Path, opened: Open) -> None:
    """The index of the log finds a repeated event even where a load was told not to look."""
    store = opened(f"sqlite:{tmp_path}")
    history = [event(f"e{number}", ANN, number) for number in range(200)]
    assert store.load(history, [], Arrival(NOW, look_up=False)) == LoadCounts(200, 0, 0)
    assert store.load(history, [], Arrival(NOW, look_up=False)) == LoadCounts(0, 200, 0)
    assert counted(store, ANN) == 200


def test_one_bad_job_does_not_fail_its_neighbours(tmp_path: Path) -> None:
    """Of jobs that would share a commit, the failing one fails alone."""
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as reader:
        writer = Writer(
            sqlite3.connect(tmp_path / "db", isolation_level=None, check_same_thread=False)
        )
        writer.submit(lambda connection: connection.execute("CREATE TABLE t (x)") and None)
        gate = threading.Event()

        def insert(number: int) -> int:
            def job(connection: sqlite3.Connection) -> int:
                connection.execute("INSERT INTO t VALUES (?)", (number,))
                return 1 // (number - 3)

            return writer.submit(job)

        with Pool(8) as pool:
            blocker = pool.submit(writer.submit, lambda connection: gate.wait())
            jobs = [pool.submit(insert, number) for number in range(7)]
            gate.set()
            assert blocker.result() is True
            errors = [job.exception() for job in jobs]
        assert [type(error) for error in errors] == [
            ZeroDivisionError if number == 3 else type(None) for number in range(7)
        ]
        found = {row[0] for row in reader.execute("SELECT x FROM t")}
        assert found == {0, 1, 2, 4, 5, 6}
        writer.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            writer.submit(lambda connection: None)


def test_a_closed_store_refuses(tmp_path: Path) -> None:
    """After closing, reads and writes are refused, and closing again is harmless."""
    store = open_store(f"sqlite:{tmp_path}", key=STORE_KEY)
    store.record([event("e1", ANN)], NOW)
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.read([ANN])
    with pytest.raises(StoreUnavailable, match="closed"):
        store.put_catalogue([Item(id="a")])
    store.close()


def test_decisions_are_let_go_after_their_time(tmp_path: Path) -> None:
    """Records kept for 30 days go when new ones come."""
    backend = SqliteBackend(tmp_path)
    backend.put_decisions([SealedDecision("old", ANN, NOW, b"old")])
    backend._submit(lambda connection: connection.execute("UPDATE decisions SET kept_until = 0"))
    backend.put_decisions([SealedDecision("new", ANN, NOW, b"new")])
    assert list(backend.decisions(None)) == [("new", b"new")]
    backend.close()


def test_another_process_may_write_beside_a_server(tmp_path: Path, opened: Open) -> None:
    """A load in another process and events of the server's go into one store."""
    url = f"sqlite:{tmp_path}"
    store = opened(url)
    program = (
        "import sys; from service.store.opening import open_store;"
        "from tests.support.events import event, identifier;"
        "from tests.support.backends import STORE_KEY;"
        "from service.store.customers.planning import Arrival;"
        "store = open_store(sys.argv[1], key=STORE_KEY);"
        "[store.load([event(f'l{n}', identifier(1), n)], [], Arrival(1, look_up=False))"
        " for n in range(30)];"
        "store.close()"
    )
    with subprocess.Popen([sys.executable, "-c", program, url]) as child:
        number = 0
        while child.poll() is None:
            assert store.record([event(f"s{number}", ANN, number)], NOW) == [STORED]
            number += 1
    assert child.returncode == 0
    assert counted(store, ANN) == number + 30
    assert sum(logged(store).values()) == number + 30
