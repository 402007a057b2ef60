"""The one thread that writes to SQLite: everything that is queued goes into one transaction."""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from models.errors import StoreUnavailable

JOBS_AT_ONCE = 1_000

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], Any]
_Queued = tuple[Job, Future[Any]]


class Writer:
    """Runs jobs on one connection, each wholly or not at all, many in one commit."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queue: SimpleQueue[_Queued | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `job` returns, once it is on disk; raises what it raises."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise StoreUnavailable("store: closed")
            self._queue.put((job, future))
        return future.result()

    def close(self) -> None:
        """Commit what is queued, then stop and close the connection."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        running = True
        while running:
            batch: list[_Queued] = []
            queued = self._queue.get()
            while queued is not None:
                batch.append(queued)
                if self._queue.empty() or len(batch) == JOBS_AT_ONCE:
                    break
                queued = self._queue.get()
            running = queued is not None
            if batch:
                self._commit(batch)

    def _commit(self, batch: Sequence[_Queued]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except Exception as error:
            # Another process has the lock: no job's fault, and waiting for it again is no help.
            for _, future in batch:
                future.set_exception(error)
            return
        try:
            results = [job(self._connection) for job, _ in batch]
            self._connection.execute("COMMIT")
        except Exception as error:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            # One job's fault is not that of the others.
            for queued in batch:
                self._commit([queued])
        else:
            for (_, future), result in zip(batch, results, strict=True):
                future.set_result(result)
