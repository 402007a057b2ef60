"""Decision records reach the store, over an outage too, or are counted as dropped."""

import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from models.errors import StoreUnavailable
from service.store.database.backend import Backend, SealedDecision
from service.store.database.decision_ids import new_decision_id, parse_decision_id, shard_of
from service.store.records import queue as record_queue
from service.store.records import spill
from service.store.records.queue import RecordQueue
from service.store.records.sealing import Seal
from service.store.sqlite.backend import SqliteBackend
from tests.support.backends import STORE_KEY
from tests.support.events import NOW, identifier, record
from tests.support.waiting import PATIENCE, joined

ANN = identifier(1)
SEAL = Seal(STORE_KEY)


class Switch(SqliteBackend):
    """A database that can be away for decision records."""

    away = False
    batches = 0

    def put_decisions(self, decisions: Sequence[SealedDecision]) -> None:
        """Store the records, unless away."""
        if self.away:
            raise StoreUnavailable("away")
        self.batches += 1
        super().put_decisions(decisions)


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Switch]:
    """An empty database."""
    made = Switch(tmp_path / "store")
    yield made
    made.close()


def kept(backend: Backend) -> list[str]:
    """Return the ids of the records in a database, by time."""
    return [SEAL.open(name, blob).id for name, blob in backend.decisions(None)]


def wait_for(backend: Backend, expected: list[str]) -> None:
    """Wait until a database keeps these records."""
    deadline = time.monotonic() + PATIENCE
    while kept(backend) != expected and time.monotonic() < deadline:
        time.sleep(0.02)
    assert kept(backend) == expected


def ids(number: int) -> list[str]:
    """Return new decision ids in the order of their times."""
    return [new_decision_id(1024, ANN, NOW + second) for second in range(number)]


def add(queue: RecordQueue, names: Sequence[str]) -> None:
    """Queue records of those ids."""
    for name in names:
        place = parse_decision_id(name)
        assert place is not None
        queue.add(record(name, ANN, place[1]))


def test_an_id_says_where_its_record_is() -> None:
    """Shard and time are read from the id; ids made at once, by any thread, are different."""
    found: list[str] = []

    def make() -> None:
        found.extend(new_decision_id(1024, ANN, NOW) for _ in range(500))

    threads = [threading.Thread(target=make, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    joined(*threads)
    assert len(set(found)) == 2000
    assert {parse_decision_id(name) for name in found} == {(shard_of(ANN, 1024), NOW)}
    assert {len(name) for name in found} == {34}
    assert parse_decision_id("not-an-id") is None
    assert parse_decision_id("") is None


def test_records_are_stored_soon_and_together(backend: Switch, tmp_path: Path) -> None:
    """What is queued is stored within moments, in few writes, without waiting for it."""
    queue = RecordQueue(backend, tmp_path, SEAL)
    names = ids(100)
    add(queue, names)
    assert queue.queued_record(names[99]) is not None
    wait_for(backend, names)
    assert backend.batches < 10
    assert queue.queued_record(names[99]) is None
    queue.close()
    assert queue.dropped == 0


def test_closing_stores_what_is_queued(backend: Switch, tmp_path: Path) -> None:
    """No record is lost by an orderly end."""
    queue = RecordQueue(backend, tmp_path, SEAL)
    names = ids(record_queue.BATCH + 5)
    add(queue, names)
    queue.close()
    assert kept(backend) == names
    assert queue.dropped == 0


def test_an_outage_is_bridged_by_a_file(backend: Switch, tmp_path: Path) -> None:
    """While the database is away records go to a file, and move over when it is back."""
    queue = RecordQueue(backend, tmp_path, SEAL)
    names = ids(20)
    backend.away = True
    add(queue, names[:15])
    queue.flush()
    assert queue.queued_record(names[0]) is None
    (file,) = tmp_path.glob("decisions-*.spill")
    assert file.stat().st_size > 0
    add(queue, names[15:])
    queue.flush()
    assert kept(backend) == []
    backend.away = False
    wait_for(backend, names)
    queue.close()
    assert list(tmp_path.glob("*.spill")) == []
    assert queue.dropped == 0


def test_the_next_process_takes_over_the_file(backend: Switch, tmp_path: Path) -> None:
    """What a process left behind is stored by the next one; a living process keeps its own."""
    backend.away = True
    first, second = RecordQueue(backend, tmp_path, SEAL), RecordQueue(backend, tmp_path, SEAL)
    names = ids(4)
    add(first, names[:2])
    first.flush()
    third = RecordQueue(backend, tmp_path, SEAL)
    add(second, names[2:])
    second.close()
    backend.away = False
    third.flush()
    assert kept(backend) == []
    third.close()
    RecordQueue(backend, tmp_path, SEAL).flush()
    assert kept(backend) == names[2:]
    first.close()
    assert kept(backend) == names


def test_a_damaged_file_is_used_up_to_the_damage(backend: Switch, tmp_path: Path) -> None:
    """A torn or flipped frame is counted as dropped; what stands before it is stored."""
    names = ids(6)
    for part in (names[:3], names[3:]):
        backend.away = True
        queue = RecordQueue(backend, tmp_path, SEAL)
        add(queue, part)
        queue.close()
    alien = msgspec.msgpack.encode(["of", "another", "version"])
    (tmp_path / "decisions-0.spill").write_bytes(
        struct.pack(">II", len(alien), zlib.crc32(alien)) + alien
    )
    torn, flipped = sorted(
        tmp_path.glob("decisions-??*.spill"), key=lambda path: path.stat().st_mtime_ns
    )
    torn.write_bytes(torn.read_bytes()[:-5])
    content = bytearray(flipped.read_bytes())
    content[-5] ^= 1
    flipped.write_bytes(content)

    backend.away = False
    queue = RecordQueue(backend, tmp_path, SEAL)
    queue.flush()
    assert kept(backend) == [*names[:2], *names[3:5]]
    assert queue.dropped == 3
    queue.close()


def test_what_finds_no_room_is_counted(
    backend: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queue and file are bounded; what does not fit is dropped, counted, and the rest is kept."""
    names = ids(30)
    backend.away = True
    monkeypatch.setattr(record_queue, "QUEUE_CAPACITY", 20)
    monkeypatch.setattr(record_queue, "FLUSH_SECONDS", 2)
    queue = RecordQueue(backend, tmp_path, SEAL)
    add(queue, names)
    assert queue.dropped == 10
    size = len(SEAL.seal(record(names[0], ANN, NOW)).blob)
    monkeypatch.setattr(spill, "SPILL_BYTES", 10 * size)
    queue.flush()
    (file,) = tmp_path.glob("*.spill")
    assert 0 < file.stat().st_size <= 10 * size
    dropped = queue.dropped
    assert 10 < dropped < 30
    backend.away = False
    queue.flush()
    assert len(kept(backend)) == 30 - dropped
    queue.close()


def test_a_write_that_a_full_disk_cut_off_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was said to be kept is read again, before and behind a frame that was cut off."""
    file, room = spill.Spill(tmp_path), [100_000]
    write = os.pwrite

    def full(descriptor: int, data: bytes, place: int) -> int:
        """Write as far as there is room, as a full disk does."""
        written = write(descriptor, data[: room[0]], place)
        room[0] -= written
        return written

    monkeypatch.setattr(os, "pwrite", full)
    told: list[str] = []
    dropped = 0
    for number in range(12):
        if number == 6:
            room[0] = 1_000_000
        batch = [SealedDecision(f"{number}-{at}", ANN, at, bytes(3_000)) for at in range(10)]
        lost = file.append(batch)
        told += [one.id for one in batch[: 10 - lost]]
        dropped += lost
    assert 0 < dropped < 60
    assert [one and one.id for one in file.read()] == told
    file.close()
    with closing(spill.Spill(tmp_path)) as again:
        assert [one and one.id for one in again.read()] == told


def test_a_flipped_frame_hides_no_other(tmp_path: Path) -> None:
    """A frame whose content was changed is told as damaged, and those behind it are read."""
    file = spill.Spill(tmp_path)
    file.append([SealedDecision(str(at), ANN, at, bytes(100)) for at in range(3)])
    file.close()
    (path,) = tmp_path.glob("*.spill")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with closing(spill.Spill(tmp_path)) as again:
        assert [one and one.id for one in again.read()] == ["0", None, "2"]


def test_without_a_directory_the_queue_waits(backend: Switch) -> None:
    """With nowhere to spill, records wait in memory as long as the process runs."""
    queue = RecordQueue(backend, None, SEAL)
    names = ids(3)
    backend.away = True
    add(queue, names)
    queue.flush()
    assert queue.queued_record(names[0]) is not None
    backend.away = False
    wait_for(backend, names)
    backend.away = True
    queue.add(record(new_decision_id(1024, ANN, NOW), ANN, NOW))
    queue.close()
    assert queue.dropped == 1
