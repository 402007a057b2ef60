"""Every table of a store in SQLite: its schema, what it holds and how long a row is kept."""

import sqlite3
from contextlib import closing
from enum import Enum

from service.store.database.backend import KEEP_DECISIONS, KEEP_REQUESTS
from service.store.database.layout_table import kept_for, markdown_table


class Table(Enum):
    """A table, called like its member in lower case; `seconds` a row is kept, None: for ever."""

    def __init__(self, schema: str, holds: str, seconds: int | None = None) -> None:
        self.schema = schema
        self.holds = holds
        self.seconds = seconds

    CUSTOMERS = (
        """
CREATE TABLE IF NOT EXISTS customers (
    id BLOB PRIMARY KEY, version INTEGER NOT NULL, blob BLOB NOT NULL
);""",
        "a customer: the profile, or where it moved to",
    )
    LOG = (
        """
CREATE TABLE IF NOT EXISTS log (
    seq INTEGER PRIMARY KEY, arrival INTEGER NOT NULL, identifier BLOB, event_id TEXT,
    content INTEGER NOT NULL, blob BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS log_event ON log (identifier, event_id);""",
        "events, links and unlinks, in order of arrival",
    )
    CATALOGUE = (
        """
CREATE TABLE IF NOT EXISTS catalogue (
    kind TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, blob BLOB NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX IF NOT EXISTS catalogue_revision ON catalogue (revision);""",
        "each item and offer, with the revision that changed it last",
    )
    DECISIONS = (
        """
CREATE TABLE IF NOT EXISTS decisions (
    id TEXT PRIMARY KEY, customer BLOB NOT NULL, time INTEGER NOT NULL,
    kept_until INTEGER NOT NULL, blob BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS decisions_time ON decisions (time, id);
CREATE INDEX IF NOT EXISTS decisions_kept_until ON decisions (kept_until);""",
        "a decision record, sealed",
        KEEP_DECISIONS,
    )
    CHAIN = (
        """
CREATE TABLE IF NOT EXISTS chain (
    seq INTEGER PRIMARY KEY, kept_until INTEGER NOT NULL, blob BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS chain_kept_until ON chain (kept_until);""",
        "the chains over the decisions stored",
        KEEP_DECISIONS,
    )
    REQUESTS = (
        """
CREATE TABLE IF NOT EXISTS requests (
    key BLOB PRIMARY KEY, kept_until INTEGER NOT NULL, blob BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS requests_kept_until ON requests (kept_until);""",
        "the decision that a request id names",
        KEEP_REQUESTS,
    )
    COUNTERS = (
        """
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, count INTEGER NOT NULL);""",
        "how many of a limited volume are leased",
    )
    META = (
        """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);""",
        "the revision of the catalogue, the key's fingerprint, the format; health checks write it",
    )
    CHUNKS = (
        """
CREATE TABLE IF NOT EXISTS chunks (
    dataset TEXT NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (dataset, number)
);""",
        "how far each chunk of a dataset is loaded",
    )

    @property
    def sql_name(self) -> str:
        """Return the name that SQL calls the table by."""
        return self.name.lower()


SCHEMA = "".join(table.schema for table in Table) + "\n"


def table() -> str:
    """Return all tables as a table in Markdown."""
    rows = []
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        for table in Table:
            columns = connection.execute(f"PRAGMA table_info({table.sql_name})")
            named = ", ".join(f"`{name}`" for _, name, *_ in columns)
            rows.append((f"`{table.sql_name}`", named, table.holds, kept_for(table.seconds)))
    return markdown_table(("table", "columns", "holds", "kept"), rows)
