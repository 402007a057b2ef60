"""What the one writing thread of SQLite does in a transaction: each job wholly or not at all."""

import sqlite3
import time
from collections.abc import Sequence

from models.codec import version_of
from service.store.database.backend import (
    KEEP_DECISIONS,
    KEEP_REQUESTS,
    Commit,
    CustomerWrite,
    LogLine,
    SealedDecision,
    StoredRequest,
)


def write_one(connection: sqlite3.Connection, write: CustomerWrite) -> bool:
    """Do a write; False if the version is another, or an event of it is in the log already."""
    return _replace(connection, write.customer, write.expected, write.blob, write.lines)


def commit_one(connection: sqlite3.Connection, commit: Commit) -> bool | bytes:
    """Store a decision with what it rests on; False if the version is another.

    The blob of the request instead, and nothing stored, where that is known already.
    """
    if commit.request is not None:
        known = _request(connection, commit.request.key)
        if known is not None:
            return known
    if not _replace(connection, commit.customer, commit.expected, commit.blob, commit.lines):
        return False
    put_decisions(connection, [commit.decision])
    if commit.request is not None:
        _put_request(connection, commit.request)
    return True


def put_decisions(connection: sqlite3.Connection, decisions: Sequence[SealedDecision]) -> None:
    """Store decision records, and let go of those that were kept long enough."""
    now = int(time.time())
    connection.executemany(
        "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?, ?)",
        [
            (entry.id, entry.customer, entry.time, now + KEEP_DECISIONS, entry.blob)
            for entry in decisions
        ],
    )
    connection.execute("DELETE FROM decisions WHERE kept_until < ?", (now,))


def append_chain(connection: sqlite3.Connection, link: bytes) -> None:
    """Store a link of a chain, and let go of those that were kept long enough."""
    now = int(time.time())
    connection.execute(
        "INSERT INTO chain (kept_until, blob) VALUES (?, ?)", (now + KEEP_DECISIONS, link)
    )
    connection.execute("DELETE FROM chain WHERE kept_until < ?", (now,))


def take(connection: sqlite3.Connection, counter: str, amount: int, limit: int) -> int:
    """Raise a counter by at most `amount`, never beyond `limit`; return by how much."""
    row = connection.execute("SELECT count FROM counters WHERE name = ?", (counter,)).fetchone()
    count = 0 if row is None else int(row[0])
    taken = max(0, min(amount, limit - count))
    if taken:
        connection.execute(
            "INSERT OR REPLACE INTO counters VALUES (?, ?)", (counter, count + taken)
        )
    return taken


def replace_setting(
    connection: sqlite3.Connection, key: str, before: str | None, after: str
) -> bool:
    """Keep `after` under `key` where `before` was kept (None: nothing); tell whether it was."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    if (None if row is None else str(row[0])) != before:
        return False
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, after))
    return True


def count_up(connection: sqlite3.Connection, key: str) -> int:
    """Raise the number kept under `key`, from 0, by 1, and return it."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    number = 1 if row is None else int(row[0]) + 1
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, str(number)))
    return number


def _replace(
    connection: sqlite3.Connection,
    customer: bytes,
    expected: int,
    blob: bytes | None,
    lines: Sequence[LogLine],
) -> bool:
    """Log `lines` and put `blob`, unless it is None, for a customer at version `expected`."""
    row = connection.execute("SELECT version FROM customers WHERE id = ?", (customer,)).fetchone()
    if (0 if row is None else row[0]) != expected:
        return False
    connection.execute("SAVEPOINT one")
    try:
        connection.executemany(
            "INSERT INTO log (arrival, identifier, event_id, content, blob) VALUES (?, ?, ?, ?, ?)",
            [
                (
                    line.arrival,
                    line.identifier or None,
                    line.event_id or None,
                    line.content,
                    line.blob,
                )
                for line in lines
            ],
        )
    except sqlite3.IntegrityError:
        connection.execute("ROLLBACK TO one")
        connection.execute("RELEASE one")
        return False
    if blob is not None:
        connection.execute(
            "INSERT OR REPLACE INTO customers VALUES (?, ?, ?)",
            (customer, version_of(blob), blob),
        )
    connection.execute("RELEASE one")
    return True


def _request(connection: sqlite3.Connection, key: bytes) -> bytes | None:
    row = connection.execute(
        "SELECT blob FROM requests WHERE key = ? AND kept_until >= ?", (key, int(time.time()))
    ).fetchone()
    return None if row is None else bytes(row[0])


def _put_request(connection: sqlite3.Connection, request: StoredRequest) -> None:
    now = int(time.time())
    connection.execute("DELETE FROM requests WHERE kept_until < ?", (now,))
    connection.execute(
        "INSERT OR REPLACE INTO requests VALUES (?, ?, ?)",
        (request.key, now + KEEP_REQUESTS, request.blob),
    )
