"""The log of a store by identifier, in a file that is gone with the process.

A log is in order of arrival, and in Redis in the streams of many shards; to fold a customer anew
takes all that was said of one identifier. Memory is bounded, whatever the length of the log; the
file is about as large as that.
"""

import sqlite3
from collections.abc import Callable, Collection

from models.domain.events import Event
from models.errors import Unreadable
from service.store.customers.log_entries import decode_entry
from service.store.customers.refolding import Said
from service.store.database.backend import Backend, LogMarks

_BATCH = 50_000  # rows in memory
_CACHE_KIB = 64 << 10

_Row = tuple[bytes, int, int, bytes | None]


class LogSpool:
    """What the log of a database says, by identifier, up to the last `catch_up`."""

    def __init__(self, backend: Backend, progress: Callable[[int], None]) -> None:
        """`progress` is told how many entries were read.

        `unreadable` says of each entry that is left out why, as if it were not there.
        """
        self._backend = backend
        self._progress = progress
        self._marks: LogMarks = {}
        self.entries = self.events = 0
        self.unreadable: list[str] = []
        self.types: set[str] = set()
        # No name: a file that nobody else sees, in the directory for such files.
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute(
            "CREATE TEMP TABLE said (identifier BLOB, place INTEGER, arrival INTEGER, blob BLOB, "
            "PRIMARY KEY (identifier, place)) WITHOUT ROWID"
        )

    def catch_up(self, owners: Collection[bytes] | None = None) -> None:
        """Read what was logged since the last time, all of it or by `owners` alone.

        Raises `StoreUnavailable`.
        """
        rows: list[_Row] = []
        for blob in self._backend.log(self._marks, owners):
            self.entries += 1
            try:
                entry = decode_entry(blob)
            except (Unreadable, ValueError) as error:
                self.unreadable.append(f"log, entry {self.entries} as it is read: {error}")
                continue
            if isinstance(entry.statement, Event):
                self.events += 1
                self.types.add(entry.statement.type)
                rows.append((entry.statement.identifier, self.entries, entry.arrival, blob))
            else:
                for identifier in entry.statement.pair:
                    rows.append((identifier, self.entries, entry.arrival, None))
            if len(rows) >= _BATCH:
                self._put(rows)
                rows = []
        if rows:
            self._put(rows)

    def said_of(self, identifier: bytes) -> Said:
        """Return what was read of an identifier."""
        found = self._file.execute(
            "SELECT arrival, blob FROM said WHERE identifier = ? ORDER BY arrival, place",
            (identifier,),
        ).fetchall()
        events = []
        for _, blob in found:
            statement = None if blob is None else decode_entry(blob).statement
            if isinstance(statement, Event):
                events.append(statement)
        return Said(events, found[0][0] if found else None)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _put(self, rows: list[_Row]) -> None:
        # In the order of the table, so that each page of it is touched once.
        rows.sort(key=lambda row: row[:2])
        self._file.execute("BEGIN")
        self._file.executemany("INSERT INTO said VALUES (?, ?, ?, ?)", rows)
        self._file.execute("COMMIT")
        self._progress(self.entries)
