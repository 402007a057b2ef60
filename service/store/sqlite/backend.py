"""The embedded store: SQLite in a directory, one machine, nothing to install.

One thread of a process writes, and commits everything that is queued in one transaction, so that
many writers share one wait for the disk. Readers take a connection each and never wait. Several
processes may use the same directory; only one of them may be a server.
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from math import inf
from pathlib import Path

from models.errors import StoreUnavailable
from service.store.database.backend import (
    SHARDS,
    CatalogueRow,
    Commit,
    CustomerWrite,
    Durability,
    EventQuery,
    LayoutReport,
    LogMarks,
    SealedDecision,
)
from service.store.database.location import DATABASE
from service.store.database.private_files import make_private
from service.store.sqlite.connections import Connections
from service.store.sqlite.jobs import (
    append_chain,
    commit_one,
    count_up,
    put_decisions,
    replace_setting,
    take,
    write_one,
)

BUSY_SECONDS = 5.0  # how long a write waits for that of another process
_PAGE = 1_000  # customers, or entries of the log, in one answer
_PAGE_OF = "SELECT seq, blob FROM {} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
_CONTENTS = "SELECT event_id, content FROM log WHERE identifier = ? AND event_id IN ({})"
_IDS = 500  # in one statement: how many values it may have is limited
_RECORDS = 200  # decision records in one answer
_LOG = b"log"  # the one part of the log


class SqliteBackend:
    """The database in one directory, made if it is not there.

    Raises `StoreUnavailable` when the directory or the file cannot be written or read, and
    `UnknownStoreFormat`, before anything is written.
    """

    durability = Durability.DURABLE
    former_layout = False
    shards = SHARDS
    refuses_known_ids = True
    call_seconds = inf
    breaker_openings = 0  # a file needs no breaker

    def __init__(self, directory: Path, busy: float = BUSY_SECONDS) -> None:
        """`busy`: seconds to wait for the lock of another process."""
        self._path = directory / DATABASE
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_private(self._path)  # the files beside it get the mode of this one
        except OSError as error:
            raise StoreUnavailable(str(error.strerror), str(directory)) from None
        self._connections = Connections(self._path, busy)
        self.errors, self.gate = self._connections.errors, self._connections.gate
        self._one, self._all = self._connections.one, self._connections.all
        self._submit, self._reading = self._connections.submit, self._connections.reading

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound how long the writes of this thread in the block wait; reading waits for nobody."""
        return self._connections.limit.within(seconds)

    def time_left(self) -> float:
        """Return what is left of that, in seconds; `inf` without a bound."""
        return self._connections.limit.left()

    def get(self, customer: bytes) -> bytes | None:
        """Return the blob of one customer."""
        blob: bytes | None = self._one("SELECT blob FROM customers WHERE id = ?", customer)
        return blob

    def get_many(self, customers: Sequence[bytes]) -> list[bytes | None]:
        """Return the blobs of several customers, in their order."""
        with self._reading() as connection:
            return [
                row[0] if row is not None else None
                for row in (
                    connection.execute(
                        "SELECT blob FROM customers WHERE id = ?", (customer,)
                    ).fetchone()
                    for customer in customers
                )
            ]

    def write(self, writes: Sequence[CustomerWrite]) -> list[bool]:
        """Do the writes in one transaction, each one wholly or not at all."""
        return self._submit(lambda connection: [write_one(connection, one) for one in writes])

    def commit(self, commit: Commit) -> bool | bytes:
        """Do all of it in one transaction; the blob of the request if that is known."""
        return self._submit(lambda connection: commit_one(connection, commit))

    def requested(self, owners: Sequence[bytes], key: bytes) -> bytes | None:
        """Return the blob of a request by its key, whoever's it is."""
        query = "SELECT blob FROM requests WHERE key = ? AND kept_until >= ?"
        blob: bytes | None = self._one(query, key, int(time.time()))
        return blob

    def take(self, counter: str, amount: int, limit: int) -> int:
        """Raise a counter by at most `amount`, never beyond `limit`; return by how much."""
        return self._submit(lambda connection: take(connection, counter, amount, limit))

    def give_back(self, counter: str, number: int) -> None:
        """Lower a counter by what will never be used."""
        less = "UPDATE counters SET count = max(0, count - ?) WHERE name = ?"
        self._submit(lambda connection: connection.execute(less, (number, counter)).rowcount)

    def seen(self, owners: Sequence[bytes], queries: Sequence[EventQuery]) -> list[int | None]:
        """Look the events up in the index of the log, in a statement for each identifier."""
        asked: dict[bytes, list[str]] = {}
        for query in queries:
            asked.setdefault(query.identifier, []).append(query.event_id)
        found: dict[tuple[bytes, str], int] = {}
        with self._reading() as connection:
            for identifier, ids in asked.items():
                for start in range(0, len(ids), _IDS):
                    some = ids[start : start + _IDS]
                    of_some = _CONTENTS.format(", ".join("?" * len(some)))
                    rows = connection.execute(of_some, (identifier, *some))
                    found.update(((identifier, event_id), content) for event_id, content in rows)
        return [found.get((query.identifier, query.event_id)) for query in queries]

    def log(
        self, marks: LogMarks | None = None, owners: Collection[bytes] | None = None
    ) -> Iterator[bytes]:
        """Yield the log as it stands at the first entry, in the order of writing."""
        known = {} if marks is None else marks
        last = int(known.get(_LOG, b"0"))
        end, page = "SELECT max(seq) FROM log", _PAGE_OF.format("log")
        for seq, blob in self._in_order(end, page, last):
            yield blob
            known[_LOG] = b"%d" % seq

    def enter_event_ids(self, progress: Callable[[int], None]) -> None:
        """Do nothing: the log itself has an index, in every format."""

    def bring_layout_on(self, progress: Callable[[int], None], dry_run: bool) -> LayoutReport:
        """Do nothing: tables are named as ever."""
        return LayoutReport(0)

    def customers(self) -> Iterator[bytes]:
        """Yield the ids of all customers, ascending."""
        last = b""
        query = "SELECT id FROM customers WHERE id > ? ORDER BY id LIMIT ?"
        while page := self._all(query, last, _PAGE):
            yield from (customer for (customer,) in page)
            last = page[-1][0]

    def put_catalogue(self, rows: Sequence[CatalogueRow], expected: int | None = None) -> int:
        """Store rows under the next revision and return it; 0: the current is not `expected`."""

        def job(connection: sqlite3.Connection) -> int:
            current = _revision(connection)
            if expected not in (None, current):
                return 0
            revision = current + 1
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('revision', ?)", (revision,))
            connection.executemany(
                "INSERT OR REPLACE INTO catalogue VALUES (?, ?, ?, ?)",
                [(row.kind, row.id, revision, row.blob) for row in rows],
            )
            return revision

        return self._submit(job)

    def catalogue_changes(self, since: int) -> tuple[int, list[bytes]]:
        """Return the current revision and the rows changed after `since`, by revision."""
        with self._reading() as connection:
            connection.execute("BEGIN")
            try:
                revision = _revision(connection)
                rows = connection.execute(
                    "SELECT blob FROM catalogue WHERE revision > ? ORDER BY revision, kind, id",
                    (since,),
                ).fetchall()
            finally:
                connection.execute("ROLLBACK")
        return revision, [blob for (blob,) in rows]

    def revision(self) -> int:
        """Return the current revision of the catalogue."""
        with self._reading() as connection:
            return _revision(connection)

    def put_decisions(self, decisions: Sequence[SealedDecision]) -> None:
        """Store decision records, and let go of those that were kept long enough."""
        self._submit(lambda connection: put_decisions(connection, decisions))

    def decision(self, decision_id: str) -> bytes | None:
        """Return the blob of one decision record."""
        blob: bytes | None = self._one("SELECT blob FROM decisions WHERE id = ?", decision_id)
        return blob

    def decisions(self, since: int | None) -> Iterator[tuple[str, bytes]]:
        """Yield ids and blobs of the decisions of that time and later, by time and id."""
        end = self._one("SELECT max(time) FROM decisions")
        at, last = -(1 << 62) if since is None else since, ""
        query = (
            "SELECT time, id, blob FROM decisions "
            "WHERE (time, id) > (?, ?) AND time <= ? ORDER BY time, id LIMIT ?"
        )
        while page := self._all(query, at, last, end, _RECORDS):
            yield from ((name, blob) for _, name, blob in page)
            at, last, _ = page[-1]

    def append_chain(self, link: bytes) -> None:
        """Store a link, and let go of those that were kept long enough."""
        self._submit(lambda connection: append_chain(connection, link))

    def chain(self) -> Iterator[bytes]:
        """Yield the links in the order of writing."""
        end, page = "SELECT max(seq) FROM chain", _PAGE_OF.format("chain")
        return (blob for _, blob in self._in_order(end, page, 0))

    def setting(self, key: str) -> str | None:
        """Return the value kept under `key`, None where there is none."""
        stored = self._one("SELECT value FROM meta WHERE key = ?", key)
        return None if stored is None else str(stored)

    def settings(self, keys: Sequence[str]) -> list[str | None]:
        """Return the values kept under `keys`, None where there is none; all of one moment."""
        marks = ", ".join("?" * len(keys))
        rows = self._all(f"SELECT key, value FROM meta WHERE key IN ({marks})", *keys)  # noqa: S608
        found = {key: str(value) for key, value in rows}
        return [found.get(key) for key in keys]

    def put_if_absent(self, key: str, value: str) -> str:
        """Return the value kept under `key`, which is `value` if there was none."""
        stored = self.setting(key)
        if stored is None:
            insert = "INSERT OR IGNORE INTO meta VALUES (?, ?)"
            self._submit(lambda connection: connection.execute(insert, (key, value)).rowcount)
            stored = self.setting(key)
        return str(stored)

    def put_setting(self, key: str, value: str) -> None:
        """Keep a value under `key`, whatever was there."""
        replace = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
        self._submit(lambda connection: connection.execute(replace, (key, value)).rowcount)

    def replace_setting(self, key: str, before: str | None, after: str) -> bool:
        """Keep `after` under `key` where `before` was kept (None: nothing); tell whether it was."""
        return self._submit(lambda connection: replace_setting(connection, key, before, after))

    def count_up(self, key: str) -> int:
        """Raise the number kept under `key`, from 0, by 1, and return it."""
        return self._submit(lambda connection: count_up(connection, key))

    def lineage(self) -> str:
        """Return nothing: a file that was opened is the same to its end."""
        return ""

    def moved(self) -> str:
        """Return why what is at the store's place is not what was opened; "" where it is."""
        return self._connections.moved()

    def chunk(self, dataset: str, index: int) -> str | None:
        """Return the mark of a chunk of a dataset."""
        query = "SELECT state FROM chunks WHERE dataset = ? AND number = ?"
        state: str | None = self._one(query, dataset, index)
        return state

    def mark_chunk(self, dataset: str, index: int, state: str) -> None:
        """Mark a chunk of a dataset."""
        replace = "INSERT OR REPLACE INTO chunks VALUES (?, ?, ?)"
        self._submit(
            lambda connection: connection.execute(replace, (dataset, index, state)).rowcount
        )

    def remarks(self) -> Sequence[str]:
        """Return nothing: a file is as durable as it says."""
        return ()

    def check(self) -> None:
        """Raise `StoreUnavailable` unless the database can be read."""
        self._one("SELECT value FROM meta WHERE key = ?", "revision")

    def close(self) -> None:
        """Commit what is queued and close the file."""
        self._connections.close()

    def _in_order(self, ends: str, pages: str, last: int) -> Iterator[tuple[int, bytes]]:
        """Yield what a table has after `last` by now, page by page.

        No statement stays open: whoever reads slowly would keep the WAL growing.
        """
        end = self._one(ends)
        while page := self._all(pages, last, end, _PAGE):
            yield from page
            last = page[-1][0]


def _revision(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone()
    return 0 if row is None else int(row[0])
