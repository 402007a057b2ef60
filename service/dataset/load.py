"""Brings a dataset into a store: catalogue, links, customers and history, by the same fold.

The whole dataset is read and checked before anything is written. Each chunk is then marked under
the dataset's digest when it is started and when it is done; a second run skips what is done. An
event that is older than what its profile remembers is looked up in the log, so loads may overlap
with each other and with live events; history comes in canonical order, so that a first load has no
such event. Events keep their own times; the limit of 7 days for live events does not hold here.

Links go in before the history, so that an event is written straight to the customer it belongs to;
the other way round every link would have to move what the fold had just written. The outcome is the
same, since a link moves whole compartments and a fold does not mind the order. Unlinks follow: a
pair of identifiers is in one of the two tables only, with the last word on it. Of identifiers that
are new to the store the table `identifiers` says since when they are known, so that draws about
their customers, such as the holdout, fall as they did where the dataset comes from.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from models.domain.catalogue import Catalogue, Row, offer_id
from models.domain.dataset import (
    REQUIRED_TABLES,
    TABLES,
    Metadata,
    file_digest,
    read_metadata,
)
from models.domain.event_types import EventType
from models.domain.events import Event
from models.domain.identifiers import key_fingerprint
from models.domain.input.warnings import Warned, content_warnings
from models.errors import BadDataset, WrongKey
from models.policy.schema import BUILT_IN
from service.contract.names import Names, declare_names
from service.dataset.catalogue import catalogue_rows, held_to_rules
from service.dataset.history import (
    EventTable,
    read_customers,
    read_identifiers,
    read_links,
    read_unlinks,
)
from service.dataset.parquet import table_path
from service.store.catalogue_writes import catch_up, change_catalogue
from service.store.customers.planning import Arrival
from service.store.store import Store

CATALOGUE_CHUNK = 1_000  # rows of one revision
CHUNK = 20_000  # rows that one mark is set for
SLICE = 2_000  # events that a writer of a running server may have to wait for

BUILT_IN_NAMES = declare_names()

# Called with a table, how many of its rows are done, and how many it has.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class TableCount:
    """What became of the rows of one table.

    `skipped` rows are in a chunk that an earlier run finished. `conflicts` are events whose id is
    known with other content, catalogue rows that are withdrawn, and links that would make a
    customer of the store larger than one may be: what the store has stays as it is.
    """

    table: str
    rows: int
    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    skipped: int = 0


class LoadReport(NamedTuple):
    """What a load did, by table in the order of loading, and what it stored counts little.

    `warned` are how many of the events that were gone through have a warning, and the id of one.
    """

    tables: tuple[TableCount, ...]
    warned: Mapping[Warned, tuple[int, str]]


class _Outcome(NamedTuple):
    stored: int
    duplicates: int
    conflicts: int


class _Step(NamedTuple):
    """One table to load: its rows in chunks, and what stores rows [start, stop) of it."""

    table: str
    rows: int
    chunk: int
    slice: int
    put: Callable[[int, int], _Outcome]
    conflicts: int = 0  # rows that are not loaded since they contradict others of the table
    again: bool = False  # also what an earlier run finished


class _Warnings:
    """Counts the warnings of events, each with the id of its first."""

    def __init__(self, event_types: Mapping[str, EventType]) -> None:
        self._event_types = event_types
        self.found: dict[Warned, tuple[int, str]] = {}

    def look(self, events: Sequence[Event], catalogue: Catalogue) -> None:
        """Count those of some events beside the catalogue as it is."""
        zone = BUILT_IN.contact.zone_attribute
        for event in events:
            like = self._event_types.get(event.type)
            for warning in content_warnings(event, like, catalogue, zone):
                count, example = self.found.get(warning, (0, event.event_id))
                self.found[warning] = count + 1, example


class _CatalogueLoad:
    """Stores the rows that differ from those present; what is withdrawn stays, or is restored."""

    def __init__(self, store: Store, restore: bool) -> None:
        self._store = store
        self._restore = restore
        self._known = catch_up(store, Catalogue())

    @property
    def catalogue(self) -> Catalogue:
        """Return the catalogue with what was stored, but not what others changed since."""
        return self._known

    def put(self, rows: Sequence[Row]) -> _Outcome:
        """Store rows as far as they may be, also where others change the catalogue meanwhile."""
        written = change_catalogue(self._store, self._known, lambda now: self._changed(rows, now))
        self._known = written.before.apply(written.revision, written.rows)
        withdrawn = sum(self._stays(row, written.before) for row in rows)
        stored = len(written.rows)
        return _Outcome(stored, len(rows) - stored - withdrawn, withdrawn)

    def _changed(self, rows: Sequence[Row], catalogue: Catalogue) -> list[Row]:
        return [
            row
            for row in rows
            if not self._stays(row, catalogue) and row != catalogue.row(offer_id(row))
        ]

    def _stays(self, row: Row, catalogue: Catalogue) -> bool:
        """Tell whether a row is withdrawn and stays so."""
        there = catalogue.row(offer_id(row))
        return not self._restore and there is not None and there.withdrawn


def load_dataset(
    directory: Path,
    store: Store,
    key: bytes,
    now: int,
    progress: Progress = lambda table, done, rows: None,
    names: Names = BUILT_IN_NAMES,
    restore: bool = False,
) -> LoadReport:
    """Load the dataset in `directory` and return what became of its rows.

    `now` is the time of arrival in microseconds; `names` are those that the settings know. With
    `restore` items and offers of the dataset that are withdrawn are offered again, also those that
    an earlier run loaded. May be repeated, after an interruption as well. Holds the tables in
    memory. Raises `BadDataset` naming file, row, column and reason and `WrongKey` before anything
    is written, and `StoreUnavailable` at any time.
    """
    metadata = read_metadata(directory)
    if metadata.identifiers == "keyed" and metadata.key_fingerprint != key_fingerprint(key):
        raise WrongKey(
            f"{directory}: identifiers hashed under key {metadata.key_fingerprint}; "
            f"the key at hand is {key_fingerprint(key)}"
        )
    _check_files(directory, metadata)
    warnings = _Warnings(names.event_types)
    steps = _steps(directory, metadata, store, key, now, names, restore, warnings)
    counts = []
    for step in steps:
        count = TableCount(step.table, step.rows + step.conflicts, conflicts=step.conflicts)
        # The marks of chunks of another size say nothing about these.
        marks = f"{metadata.digest}:{step.table}:{step.chunk}"
        for index, (start, stop) in enumerate(_spans(0, step.rows, step.chunk)):
            if not step.again and store.chunk_state(marks, index) == "done":
                count = replace(count, skipped=count.skipped + stop - start)
                progress(step.table, stop, step.rows)
                continue
            store.mark_chunk(marks, index, "started")
            for begin, end in _spans(start, stop, step.slice):
                outcome = step.put(begin, end)
                count = replace(
                    count,
                    stored=count.stored + outcome.stored,
                    duplicates=count.duplicates + outcome.duplicates,
                    conflicts=count.conflicts + outcome.conflicts,
                )
                progress(step.table, end, step.rows)
            store.mark_chunk(marks, index, "done")
        counts.append(count)
    return LoadReport(tuple(counts), warnings.found)


def _steps(
    directory: Path,
    metadata: Metadata,
    store: Store,
    key: bytes,
    now: int,
    names: Names,
    restore: bool,
    warnings: _Warnings,
) -> list[_Step]:
    """Read and check the whole dataset; return what to store, in order."""
    present = metadata.digests
    channels = held_to_rules(metadata, names.channels)
    items = catalogue_rows(directory, "items", channels)
    offers = catalogue_rows(directory, "offers", channels) if "offers" in present else []
    links = read_links(directory, metadata, key, names) if "links" in present else []
    unlinks = read_unlinks(directory, metadata, key, names) if "unlinks" in present else []
    customers = read_customers(directory, metadata, key, names) if "customers" in present else []
    events = EventTable(directory, metadata, key, names, now)
    known = read_identifiers(directory, metadata, key, names) if "identifiers" in present else {}
    arrival = Arrival(now, known_since=known)

    catalogue = _CatalogueLoad(store, restore)

    def put_items(start: int, stop: int) -> _Outcome:
        return catalogue.put(items[start:stop])

    def put_offers(start: int, stop: int) -> _Outcome:
        return catalogue.put(offers[start:stop])

    def put_links(start: int, stop: int) -> _Outcome:
        return _Outcome(*store.load([], links[start:stop], arrival))

    def put_unlinks(start: int, stop: int) -> _Outcome:
        batch = unlinks[start:stop]
        changed = sum(store.load_unlink(assertion, now).changed for assertion in batch)
        return _Outcome(changed, len(batch) - changed, 0)

    def put_customers(start: int, stop: int) -> _Outcome:
        return _Outcome(*store.load(customers[start:stop], [], arrival))

    def put_events(start: int, stop: int) -> _Outcome:
        batch = events.read(start, stop)
        warnings.look(batch, catalogue.catalogue)
        return _Outcome(*store.load(batch, [], arrival))

    rows = CATALOGUE_CHUNK
    return [
        _Step("items", len(items), rows, rows, put_items, again=restore),
        _Step("offers", len(offers), rows, rows, put_offers, again=restore),
        _Step("links", len(links), CHUNK, SLICE, put_links),
        _Step("unlinks", len(unlinks), CHUNK, SLICE, put_unlinks),
        _Step("customers", len(customers), CHUNK, SLICE, put_customers),
        _Step("events", len(events), CHUNK, SLICE, put_events, events.conflicts),
    ]


def _check_files(directory: Path, metadata: Metadata) -> None:
    for name in REQUIRED_TABLES:
        if name not in metadata.digests:
            raise BadDataset(f"{directory}: no table {name}")
    for name, digest in sorted(metadata.digests.items()):
        path = table_path(directory, name)
        if name not in TABLES:
            raise BadDataset(f"{path}: not a table of a dataset")
        if not path.exists():
            raise BadDataset(f"{path}: not found")
        if file_digest(path) != digest:
            raise BadDataset(f"{path}: changed since it was written; its digest differs")


def _spans(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    for begin in range(start, stop, size):
        yield begin, min(begin + size, stop)
