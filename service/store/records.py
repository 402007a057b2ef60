"""Decision records on their way to the store: queued, flushed in batches, kept over an outage.

A decision never waits for its record. What is queued is stored every 50 ms, so that much is lost
when the process is killed. While the database is away, records go to a file of this process (length
and CRC-32 before each), bounded, and move over when it is back; beyond the bounds they are dropped
and counted.
"""

import fcntl
import itertools
import os
import secrets
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard

from models.codec import damaged, decode, encode
from models.decision import Record
from models.errors import StoreUnavailable
from service.store.backend import Backend, StoredDecision

FLUSH_SECONDS = 0.05
BATCH = 200
QUEUE_CAPACITY = 10_000  # records
SPILL_BYTES = 64 << 20
RECORD_BYTES = 64 << 20  # more is no record
LEVEL = 1  # of compression: as small as zlib at its best, in a fifth of the time

_ID = struct.Struct(">HQ4s3s")  # shard, time in microseconds, worker, counter
_FRAME = struct.Struct(">II")  # length, CRC-32

_worker = secrets.token_bytes(4)
_counter = itertools.count()


def _new_worker() -> None:
    global _worker
    _worker = secrets.token_bytes(4)


os.register_at_fork(after_in_child=_new_worker)


def shard_of(customer: bytes, shards: int) -> int:
    """Return the shard of a customer: its id is a hash already."""
    return int.from_bytes(customer[:4], "big") % shards


def decision_id(shards: int, customer: bytes, now: int) -> str:
    """Return a new decision id; `now` in microseconds."""
    count = (next(_counter) & 0xFFFFFF).to_bytes(3, "big")
    packed = _ID.pack(shard_of(customer, shards), now, _worker, count)
    return packed.hex()


def place_of(decision_id: str) -> tuple[int, int] | None:
    """Return shard and time (microseconds) of a decision by its id; None if it is no such id."""
    try:
        packed = bytes.fromhex(decision_id)
        shard, time, _, _ = _ID.unpack(packed)
    except (ValueError, struct.error):
        return None
    return (shard, time) if packed.hex() == decision_id else None


def encode_record(record: Record) -> StoredDecision:
    """Return a record as a database keeps it."""
    blob = _compressors.own.compress(encode(record))
    return StoredDecision(record.id, record.customer, record.time, blob)


def decode_record(blob: bytes) -> Record:
    """Return the record that `encode_record` made; raises `Damaged`."""
    try:
        return decode(zstandard.decompress(blob, RECORD_BYTES), Record)
    except zstandard.ZstdError:
        raise damaged() from None


class _Compressors(threading.local):
    """A compressor for each thread: making one costs more than its work on a record."""

    def __init__(self) -> None:
        self.own = zstandard.ZstdCompressor(level=LEVEL)


_compressors = _Compressors()


class RecordQueue:
    """Takes records from every thread and stores them from its own."""

    def __init__(self, backend: Backend, spill: Path | None) -> None:
        """`spill` is the directory of the file; without one, only the queue bridges an outage."""
        self._counts = {"stored": 0, "spilled": 0, "dropped": 0}
        self._backend = backend
        self._spill = None if spill is None else _Spill(spill)
        self._queue: dict[str, Record] = {}
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, record: Record) -> None:
        """Queue a record; returns at once."""
        with self._lock:
            if len(self._queue) >= QUEUE_CAPACITY:
                self._counts["dropped"] += 1
                return
            self._queue[record.id] = record
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="records", daemon=True)
                self._thread.start()

    @property
    def queued(self) -> int:
        """Return how many wait in memory."""
        return len(self._queue)

    @property
    def dropped(self) -> int:
        """Return how many were lost: queue and file were full, or a frame was damaged."""
        return self._counts["dropped"]

    def counts(self) -> dict[str, int]:
        """Return how many were stored, spilled to the file, and dropped.

        What was spilled is stored later, by this process or another, and then counts there, too.
        """
        with self._lock:
            return dict(self._counts)

    def waiting(self, decision_id: str) -> Record | None:
        """Return a record that is queued and not yet stored."""
        return self._queue.get(decision_id)

    def flush(self) -> None:
        """Store what is queued and what was spilled, as far as the database is there."""
        with self._flushing:
            try:
                if self._spill is not None:
                    self._move_over(self._spill)
                while batch := self._batch():
                    self._backend.put_decisions([encode_record(record) for record in batch])
                    self._forget(batch)
                    self._count("stored", len(batch))
            except StoreUnavailable:
                self._put_aside()

    def close(self) -> None:
        """Store, or spill, what is queued; without a spill directory the rest is dropped."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()
        with self._lock:
            self._counts["dropped"] += len(self._queue)
            self._queue.clear()
        if self._spill is not None:
            self._spill.close()

    def _run(self) -> None:
        while not self._closing.wait(FLUSH_SECONDS):
            if self._queue or (self._spill is not None and self._spill.size):
                self.flush()

    def _batch(self) -> list[Record]:
        with self._lock:
            return list(itertools.islice(self._queue.values(), BATCH))

    def _forget(self, batch: Sequence[Record]) -> None:
        with self._lock:
            for record in batch:
                del self._queue[record.id]

    def _count(self, outcome: str, number: int) -> None:
        with self._lock:
            self._counts[outcome] += number

    def _put_aside(self) -> None:
        if self._spill is None:
            return
        while batch := self._batch():
            dropped = self._spill.append([encode_record(record) for record in batch])
            self._forget(batch)
            self._count("spilled", len(batch) - dropped)
            self._count("dropped", dropped)

    def _move_over(self, spill: "_Spill") -> None:
        if not spill.size:
            return
        batch: list[StoredDecision] = []
        for decision in spill.read():
            if decision is None:
                self._count("dropped", 1)
                continue
            batch.append(decision)
            if len(batch) == BATCH:
                self._backend.put_decisions(batch)
                self._count("stored", len(batch))
                batch = []
        if batch:
            self._backend.put_decisions(batch)
            self._count("stored", len(batch))
        spill.clear()


class _Spill:
    """The file of one process in a directory, and those that processes before it left there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: BinaryIO | None = None
        self.size = 0
        self._left = _adopt(directory)
        self.size = sum(os.fstat(file.fileno()).st_size for file in self._left)

    def append(self, decisions: Sequence[StoredDecision]) -> int:
        """Write decisions; return how many there was no room for."""
        frames = []
        for decision in decisions:
            payload = msgspec.msgpack.encode(decision)
            frames.append(_FRAME.pack(len(payload), zlib.crc32(payload)) + payload)
        fitting = list(itertools.takewhile(self._fits, itertools.accumulate(map(len, frames))))
        if not fitting:
            return len(frames)
        try:
            if self._file is None:
                self._directory.mkdir(parents=True, exist_ok=True)
                name = f"decisions-{secrets.token_hex(6)}.spill"
                self._file = (self._directory / name).open("x+b")
                fcntl.flock(self._file, fcntl.LOCK_EX)
            self._file.seek(0, os.SEEK_END)
            self._file.write(b"".join(frames[: len(fitting)]))
            self._file.flush()
        except OSError:
            return len(frames)
        self.size += fitting[-1]
        return len(frames) - len(fitting)

    def _fits(self, more: int) -> bool:
        return self.size + more <= SPILL_BYTES

    def read(self) -> Iterator[StoredDecision | None]:
        """Yield what was spilled; None for a damaged end of a file."""
        for file in self._files():
            file.seek(0)
            while header := file.read(_FRAME.size):
                payload = b""
                if len(header) == _FRAME.size:
                    length, checksum = _FRAME.unpack(header)
                    payload = file.read(length) if length <= SPILL_BYTES else b""
                if not payload or len(payload) != length or zlib.crc32(payload) != checksum:
                    yield None
                    break
                try:
                    yield msgspec.msgpack.decode(payload, type=StoredDecision)
                except msgspec.DecodeError:
                    yield None  # of another version

    def clear(self) -> None:
        """Forget what was spilled."""
        for file in self._files():
            Path(file.name).unlink(missing_ok=True)
            file.close()
        self._left, self._file, self.size = [], None, 0

    def close(self) -> None:
        """Leave what was spilled to the next process."""
        for file in self._files():
            file.close()

    def _files(self) -> list[BinaryIO]:
        return [*self._left, *([] if self._file is None else [self._file])]


def _adopt(directory: Path) -> list[BinaryIO]:
    """Open, locked, the files that no living process holds."""
    files: list[BinaryIO] = []
    for path in sorted(directory.glob("decisions-*.spill")):
        with suppress(OSError), ExitStack() as opened:
            file = opened.enter_context(path.open("r+b"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            opened.pop_all()
            files.append(file)
    return files
