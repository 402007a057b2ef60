"""The connections to the file of an embedded store: many that read, one that writes."""

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from models.errors import StoreUnavailable
from service.store.database.backend import WritesRefused
from service.store.database.counts import REFUSED, ErrorCounter
from service.store.database.format import FORMAT_SETTING, check_format
from service.store.database.gate import Gate
from service.store.database.time_limit import TimeLimit
from service.store.sqlite.layout import SCHEMA
from service.store.sqlite.writer import Writer

# What a write that was refused as a whole ends with; another process's lock is one of them.
_NOTHING_WRITTEN = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)
_NOT_GROWN = sqlite3.SQLITE_IOERR_WRITE  # beyond what a process may write, as on a full disk

MAKING_SECONDS = 0.01  # until it is looked again whether another process has made the file
_JOURNAL_BYTES = 16 << 20  # that the file of the WAL is cut to once all of it is in the database

T = TypeVar("T")


class Connections:
    """The connections of one process to the database at a path; safe for all threads.

    Every error of SQLite becomes `StoreUnavailable`, with the path.
    """

    def __init__(self, path: Path, busy: float) -> None:
        """Open the file, made if it is not there; `busy`: seconds to wait for other processes.

        Raises `UnknownStoreFormat` before anything is written.
        """
        self._path = path
        self._busy = busy
        self.errors = ErrorCounter()
        self.gate = Gate()
        self.limit = TimeLimit()
        self._readers: deque[sqlite3.Connection] = deque()
        self._closed = False
        with self._errors():
            self._writer = self._open_writer()
            status = path.stat()
            self._file = status.st_dev, status.st_ino

    def moved(self) -> str:
        """Return why what is at the path is not the file that was opened; "" where it is."""
        try:
            there = self._path.stat()
        except OSError:
            return f"{self._path}: the file is gone; put it back"
        if (there.st_dev, there.st_ino) != self._file:
            # Its log of writes, which stands beside it by name alone, is that of the other one.
            return f"{self._path}: another file was put there; stop the server, then start it again"
        return ""

    def close(self) -> None:
        """Commit what is queued and close the file."""
        self._closed = True
        self._writer.close()
        while self._readers:
            self._readers.pop().close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that reads."""
        with self._errors():
            self._pass_through()
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._open_reader()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._readers.append(connection)

    def one(self, query: str, *values: object) -> Any:
        """Return the first column of the first row, None where there is none."""
        with self.reading() as connection:
            row = connection.execute(query, values).fetchone()
        return None if row is None else row[0]

    def all(self, query: str, *values: object) -> list[Any]:
        """Return all rows."""
        with self.reading() as connection:
            return connection.execute(query, values).fetchall()

    def submit(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Return what a job in the one transaction of all that write now returns."""
        with self._errors():
            self._pass_through()
            try:
                return self._writer.submit(job, self.limit.left())
            except sqlite3.OperationalError as error:
                code = error.sqlite_errorcode
                if code & 0xFF not in _NOTHING_WRITTEN and code != _NOT_GROWN:
                    raise
                self.errors.add(REFUSED)
                raise WritesRefused(str(error), str(self._path)) from None

    def _pass_through(self) -> None:
        if self._closed:
            raise StoreUnavailable("closed", str(self._path))
        self.gate.pass_through()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path, self._busy, isolation_level=None, check_same_thread=False
        )

    def _open_reader(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA query_only = ON")
        moved = self.moved()
        if moved:
            # By its name it would be read together with the log of writes of the one that was here.
            connection.close()
            raise StoreUnavailable("not the one that was opened", moved)
        return connection

    def _open_writer(self) -> Writer:
        """Open a connection that writes, with the tables made where there are none."""
        until = time.monotonic() + self._busy
        while True:
            try:
                return self._prepare_writer()
            except sqlite3.OperationalError as error:
                # Who makes the file at the same moment is not waited for by SQLite itself.
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > until:
                    raise
            time.sleep(MAKING_SECONDS)

    def _prepare_writer(self) -> Writer:
        connection = self._connect()
        try:
            check_format(_format(connection))
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
            connection.executescript(f"BEGIN IMMEDIATE;{SCHEMA}COMMIT;")
        except BaseException:
            connection.close()
            raise
        return Writer(connection)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self.errors.add(REFUSED)
            raise StoreUnavailable(str(error), str(self._path)) from None


def _format(connection: sqlite3.Connection) -> str | None:
    """Return the format that is kept in a file which may be of any version, or empty."""
    there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'"
    if connection.execute(there).fetchone() is None:
        return None
    query = "SELECT value FROM meta WHERE key = ?"
    row = connection.execute(query, (FORMAT_SETTING,)).fetchone()
    return None if row is None else str(row[0])
