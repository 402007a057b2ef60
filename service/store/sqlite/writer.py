"""The one thread that writes to SQLite: everything that is queued goes into one transaction."""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from math import inf
from queue import SimpleQueue
from typing import Any, TypeVar

from models.errors import StoreUnavailable
from service.store.database.backend import OutOfTime

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

    def submit(self, job: Callable[[sqlite3.Connection], T], timeout: float = inf) -> T:
        """Return what `job` returns, once it is on disk; raises what it raises.

        After `timeout` seconds raises `OutOfTime` where the job was not begun, and is not any more,
        else `StoreUnavailable`: it may be done later.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise StoreUnavailable("store: closed")
            self._queue.put((job, future))
        try:
            return future.result(None if timeout == inf else timeout)
        except TimeoutError:
            if future.cancel():
                raise OutOfTime("store: no write in time") from None
            raise StoreUnavailable("store: no answer in time; it may have been stored") from None

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
        refused = self._begin()
        # Who has given up by now is told, truly, that nothing was begun.
        jobs = [queued for queued in batch if queued[1].set_running_or_notify_cancel()]
        self._finish(jobs, refused)

    def _begin(self) -> Exception | None:
        """Begin a transaction; return why that cannot be done."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except Exception as error:
            return error
        return None

    def _finish(self, jobs: Sequence[_Queued], refused: Exception | None) -> None:
        """Do jobs in the transaction that was begun, or tell them why it was `refused`."""
        if refused is not None:
            # Another process has the lock: no job's fault, and waiting for it again is no help.
            for _, future in jobs:
                future.set_exception(refused)
            return
        try:
            results = [job(self._connection) for job, _ in jobs]
            self._connection.execute("COMMIT")
        except Exception as error:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            if len(jobs) == 1:
                jobs[0][1].set_exception(error)
                return
            # One job's fault is not that of the others.
            for queued in jobs:
                self._finish([queued], self._begin())
        else:
            for (_, future), result in zip(jobs, results, strict=True):
                future.set_result(result)
