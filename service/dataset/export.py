"""Writes what a store holds as a dataset: the log, the catalogue, links, unlinks and decisions.

This is what retraining reads, and what another store under the same key can load again. Identifiers
are the keyed hashes. Withdrawn items and offers are left out, so loading an export elsewhere does
not bring their tombstones along. Undated statements of attributes, which is what rows of a
`customers` table become in a store, are written as that table again; those with a time are events.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from models.domain.catalogue import Catalogue
from models.domain.dataset import Kind, Metadata, check_free, file_digest, write_metadata
from models.domain.events import Event, attributes_event
from models.domain.profile import Link, Unlink
from models.errors import Unreadable
from models.release.durable_files import naming
from service.dataset.parquet import TableWriter, Values, table_path
from service.dataset.rows import (
    KEYED_NAMESPACE,
    customer_row,
    event_row,
    identifier_row,
    item_row,
    link_row,
    offer_row,
    record_row,
)
from service.store.store import Store

BATCH = 50_000  # rows of a table held in memory at a time

# Called with a table and how many rows of it are written.
Progress = Callable[[str, int], None]


class ExportReport(NamedTuple):
    """What was exported: the kind of the dataset and the rows of each table.

    `unreadable` says of each decision that is not in it, with its id, why not, and of each customer
    whose identifiers are not.
    """

    kind: Kind
    rows: Mapping[str, int]
    unreadable: Sequence[str]


class _Batched:
    """A table that is written a batch at a time."""

    def __init__(self, writer: TableWriter, name: str, progress: Progress) -> None:
        self._writer = writer
        self._name = name
        self._progress = progress
        self._rows: list[Values] = []

    def add(self, row: Values) -> None:
        self._rows.append(row)
        if len(self._rows) >= BATCH:
            self.flush()

    def flush(self) -> None:
        self._writer.write(self._rows)
        self._rows = []
        self._progress(self._name, self._writer.rows)


def export_log(
    store: Store,
    out: Path,
    since: int | None,
    key_fingerprint: str,
    progress: Progress = lambda table, rows: None,
    event_types: Mapping[str, str] | None = None,
    channels: Sequence[str] = (),
) -> ExportReport:
    """Write a dataset to `out`, whole or not at all, and return what is in it.

    With `since` (microseconds), what arrived before it is left out; the catalogue is always whole,
    and so is the table of identifiers, which says when each became known.
    Of each pair the last link or unlink is written, which takes memory for each pair.
    `event_types` maps the types that the settings declare to the built-in type each behaves like;
    `channels` are those they declare. Works beside a running server, on the log as it stood at the
    start. Raises `FileExistsError` where `out` exists and is not an empty directory, `OSError`
    where it cannot be written, `StoreUnavailable` at any time.
    """
    check_free(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        work.chmod(0o755)
        with naming(out):
            kind, rows, unreadable = _write_tables(store, work, since, progress)
        metadata = Metadata(
            kind=kind,
            source="throughline log export",
            identifiers="keyed",
            key_fingerprint=key_fingerprint,
            event_types=dict(event_types or {}),
            channels=list(channels),
            namespaces=[KEYED_NAMESPACE],
            rows=rows,
            digests={name: file_digest(table_path(work, name)) for name in rows},
        )
        write_metadata(work, metadata)
        if out.exists():
            out.rmdir()
        work.replace(out)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return ExportReport(kind, rows, unreadable)


def _write_tables(
    store: Store, directory: Path, since: int | None, progress: Progress
) -> tuple[Kind, dict[str, int], list[str]]:
    names = (
        *("events", "items", "offers", "customers"),
        *("links", "unlinks", "identifiers", "decisions"),
    )
    unreadable: list[str] = []
    with ExitStack() as stack:
        writers = {name: stack.enter_context(TableWriter(directory, name)) for name in names}
        tables = {name: _Batched(writer, name, progress) for name, writer in writers.items()}
        kinds = _write_log(store, since, tables)
        for known in store.identifiers():
            if isinstance(known, Unreadable):
                unreadable.append(str(known))
            else:
                tables["identifiers"].add(identifier_row(known))
        for stored in store.records(since):
            if isinstance(stored.record, Unreadable):
                unreadable.append(str(stored.record))
            else:
                tables["decisions"].add(record_row(stored.record))
        catalogue = Catalogue().apply(*store.catalogue_changes(0))
        for _, item in sorted(catalogue.items.items()):
            if not item.withdrawn:
                tables["items"].add(item_row(item))
        for _, offer in sorted(catalogue.offers.items()):
            if not offer.withdrawn:
                tables["offers"].add(offer_row(offer))
        for table in tables.values():
            table.flush()
        rows = {name: writer.rows for name, writer in writers.items()}
    return _kind(kinds), rows, unreadable


def _write_log(store: Store, since: int | None, tables: Mapping[str, _Batched]) -> set[Kind]:
    kinds: set[Kind] = set()
    # Links and unlinks of one pair may be in the logs of two shards: of each pair only the last.
    last: dict[frozenset[bytes], tuple[int, Link | Unlink]] = {}
    for arrival, statement in store.log(since):
        if isinstance(statement, Link | Unlink):
            if statement.pair not in last or _later((arrival, statement), last[statement.pair]):
                last[statement.pair] = arrival, statement
        elif _is_customer(statement):
            tables["customers"].add(customer_row(statement))
        else:
            tables["events"].add(event_row(statement))
            kinds.add(_kind_of(statement))
    for _, assertion in last.values():
        tables["links" if isinstance(assertion, Link) else "unlinks"].add(link_row(assertion))
    return kinds


def _later(one: tuple[int, Link | Unlink], other: tuple[int, Link | Unlink]) -> bool:
    """Tell whether `one` came later; of the same time, an unlink did."""
    return (one[0], isinstance(one[1], Unlink)) > (other[0], isinstance(other[1], Unlink))


def _is_customer(event: Event) -> bool:
    """Tell whether an event is what a row of `customers` becomes when it is loaded."""
    if event.time is not None or event.type != "attributes_changed":
        return False
    return event == attributes_event(event.identifier, event.attributes)


def _kind_of(event: Event) -> Kind:
    if event.time is not None:
        return "timed"
    return "undated" if event.sequence is None else "ordered"


def _kind(kinds: Iterable[Kind]) -> Kind:
    found = sorted(kinds)
    if len(found) > 1:
        return "mixed"
    return found[0] if found else "timed"
