"""Decision records on their way to the store: queued, flushed in batches, kept over an outage.

A decision never waits for its record. What is queued is stored every 50 ms, so that much is lost
when the process is killed. While the database is away, records go to a file of this process, which
is bounded, and move over when it is back; beyond the bounds they are dropped and counted. What is
stored, whoever stored it, is then named by the next link of the process's chain.
"""

import itertools
import threading
from collections.abc import Sequence
from pathlib import Path

from models.domain.decisions import DecisionRecord
from models.errors import StoreUnavailable
from service.store.database.backend import Backend, SealedDecision
from service.store.records.chain import MEMBERS, Chain, ChainMember
from service.store.records.sealing import Seal, mac_of
from service.store.records.spill import Spill

FLUSH_SECONDS = 0.05
BATCH = 200
QUEUE_CAPACITY = 10_000  # records


class RecordQueue:
    """Takes records from every thread and stores them from its own."""

    def __init__(self, backend: Backend, spill: Path | None, seal: Seal) -> None:
        """`spill` is the directory of the file; without one, only the queue bridges an outage."""
        self._counts = {"stored": 0, "spilled": 0, "dropped": 0}
        self._backend = backend
        self._spill = None if spill is None else Spill(spill)
        self._seal = seal
        self._chain = Chain(backend, seal)
        self._queue: dict[str, DecisionRecord] = {}
        self._unlinked: list[ChainMember] = []  # stored, and in no link yet
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, record: DecisionRecord) -> None:
        """Queue a record; returns at once."""
        with self._lock:
            if len(self._queue) >= QUEUE_CAPACITY:
                self._counts["dropped"] += 1
                return
            self._queue[record.id] = record
            self._start()

    def add_stored(self, decision: SealedDecision) -> None:
        """Have a record that was stored with its decision named by the next link."""
        with self._lock:
            self._unlinked.append(_member(decision))
            self._start()

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

    def queued_record(self, decision_id: str) -> DecisionRecord | None:
        """Return a record that is queued and not yet stored."""
        return self._queue.get(decision_id)

    def flush(self) -> None:
        """Store what is queued and what was spilled, as far as the database is there."""
        with self._flushing:
            try:
                if self._spill is not None:
                    self._move_over(self._spill)
                while batch := self._batch():
                    self._store([self._seal.seal(record) for record in batch])
                    self._forget(batch)
                self._link()
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

    def _start(self) -> None:
        if self._thread is None and not self._closing.is_set():
            self._thread = threading.Thread(target=self._run, name="records", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._closing.wait(FLUSH_SECONDS):
            if self._queue or self._unlinked or (self._spill is not None and self._spill.size):
                self.flush()

    def _store(self, decisions: Sequence[SealedDecision]) -> None:
        self._backend.put_decisions(decisions)
        with self._lock:
            self._counts["stored"] += len(decisions)
            self._unlinked += map(_member, decisions)

    def _link(self) -> None:
        while True:
            with self._lock:
                members = self._unlinked[:MEMBERS]
            if not members:
                return
            named = self._chain.append(members)
            with self._lock:
                del self._unlinked[:named]

    def _batch(self) -> list[DecisionRecord]:
        with self._lock:
            return list(itertools.islice(self._queue.values(), BATCH))

    def _forget(self, batch: Sequence[DecisionRecord]) -> None:
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
            dropped = self._spill.append([self._seal.seal(record) for record in batch])
            self._forget(batch)
            self._count("spilled", len(batch) - dropped)
            self._count("dropped", dropped)

    def _move_over(self, spill: Spill) -> None:
        if not spill.size:
            return
        batch: list[SealedDecision] = []
        for decision in spill.read():
            if decision is None:
                self._count("dropped", 1)
                continue
            batch.append(decision)
            if len(batch) == BATCH:
                self._store(batch)
                batch = []
        if batch:
            self._store(batch)
        spill.clear()


def _member(decision: SealedDecision) -> ChainMember:
    return ChainMember(decision.id, mac_of(decision.blob))
