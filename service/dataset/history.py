"""The history in a dataset, checked and in the order in which it is loaded.

Events come by customer and in canonical order, whatever the order of the file: each profile is then
written once for all its events in a chunk, and no event is older than what its profile remembers,
so none has to be looked up.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.domain.dataset import Metadata
from models.domain.event_types import EVENT_TYPES, EventType
from models.domain.events import Event, attributes_event, event_key
from models.domain.identifier_groups import IdentifierGroups
from models.domain.identifiers import HASH_BYTES, Identifier, hash_identifier
from models.domain.input.identifiers import namespace_fault, value_fault
from models.domain.input.names import name_fault
from models.domain.input.reasons import Refusal
from models.domain.profile import IDENTIFIERS_MOST, Link, Unlink
from service.contract.names import Names
from service.dataset.event_rules import check_attributes, check_events
from service.dataset.parquet import Table
from service.dataset.rows import attributes_from_json, event_from_row

TOO_MANY = (
    f"joins more than {IDENTIFIERS_MOST} identifiers to one customer; "
    "leave out links of what many people share"
)
_KEYED = re.compile(rf"[0-9a-f]{{{2 * HASH_BYTES}}}")


class EventTable:
    """The table `events` as it is loaded: `len` events, those that contradict another left out.

    `conflicts` counts rows that repeat an event id of their identifier at another time; the first
    such row of the file stands.
    """

    def __init__(
        self, directory: Path, metadata: Metadata, key: bytes, names: Names, now: int
    ) -> None:
        """Read and check every row; raises `BadDataset` naming file, row, column and reason."""
        table = self._table = Table(directory, "events")
        if metadata.identifiers == "plain":  # keyed, it is what a store has kept already
            check_events(table, names, now)
        _check_likeness(table, metadata, names.event_types)
        self._codes, self._hashes = _hashed(
            table, ("namespace", "identifier"), metadata, key, names
        )
        time, timed = table.integers("time")
        sequence, ordered = table.integers("sequence")
        _refuse(table, timed & ordered, "sequence", "set beside a time")
        _refuse(table, ~timed, "time", "missing in a timed dataset", metadata.kind == "timed")
        keys = _event_keys(table)
        at = np.where(timed, time, sequence)
        conflict = _contradictions(self._codes, keys, timed, at)
        order = np.lexsort((keys, at, timed, _by_hash(self._hashes)[self._codes]))
        self._order = order[~conflict[order]]
        self.rows = len(table)
        self.conflicts = int(conflict.sum())

    def __len__(self) -> int:
        """Return how many events there are to load."""
        return len(self._order)

    def read(self, start: int, stop: int) -> list[Event]:
        """Return events [start, stop) in the order of loading."""
        chosen = self._order[start:stop]
        hashes = [self._hashes[code] for code in self._codes[chosen].tolist()]
        rows = self._table.take(chosen)
        return [event_from_row(row, hash_) for row, hash_ in zip(rows, hashes, strict=True)]


def read_customers(directory: Path, metadata: Metadata, key: bytes, names: Names) -> list[Event]:
    """Return the events that stand for the rows of `customers`, in the order of the file."""
    table = Table(directory, "customers")
    codes, hashes = _hashed(table, ("namespace", "identifier"), metadata, key, names)
    if metadata.identifiers == "plain":
        check_attributes(table)
    return [
        attributes_event(hashes[code], attributes_from_json(attributes))
        for code, (_, _, attributes) in zip(codes.tolist(), table.rows(), strict=True)
    ]


def read_identifiers(
    directory: Path, metadata: Metadata, key: bytes, names: Names
) -> dict[bytes, int]:
    """Return when each identifier became known (microseconds): the earliest where rows differ."""
    table = Table(directory, "identifiers")
    codes, hashes = _hashed(table, ("namespace", "identifier"), metadata, key, names)
    since, _ = table.integers("known_since")
    found: dict[bytes, int] = {}
    for code, at in zip(codes.tolist(), since.tolist(), strict=True):
        found[hashes[code]] = min(at, found.get(hashes[code], at))
    return found


def read_links(directory: Path, metadata: Metadata, key: bytes, names: Names) -> list[Link]:
    """Return the links of the dataset, sorted.

    Who survives a chain of links follows their order, so it is one that the file cannot change.
    """
    pairs = _pairs(directory, "links", metadata, key, names)
    groups: IdentifierGroups[bytes] = IdentifierGroups()
    links = []
    for row in sorted(range(len(pairs)), key=pairs.__getitem__):
        link = Link(*pairs[row])
        if groups.joined_size(link.a, link.b) > IDENTIFIERS_MOST:
            raise Table(directory, "links").error(row, "identifier_b", TOO_MANY)
        groups.join(link.a, link.b)
        links.append(link)
    return links


def read_unlinks(directory: Path, metadata: Metadata, key: bytes, names: Names) -> list[Unlink]:
    """Return the unlinks of the dataset, sorted."""
    return sorted(
        Unlink(*assertion) for assertion in _pairs(directory, "unlinks", metadata, key, names)
    )


def _pairs(
    directory: Path, name: str, metadata: Metadata, key: bytes, names: Names
) -> list[tuple[int, bytes, bytes, str]]:
    """Return time (-1: none), both identifiers and who said so, in the order of the file."""
    table = Table(directory, name)
    first, first_hashes = _hashed(table, ("namespace_a", "identifier_a"), metadata, key, names)
    second, second_hashes = _hashed(table, ("namespace_b", "identifier_b"), metadata, key, names)
    pairs: list[tuple[int, bytes, bytes, str]] = []
    if metadata.identifiers == "plain":
        for row, asserted_by in table.first_rows("asserted_by"):
            if fault := name_fault(asserted_by):
                raise table.error(row, "asserted_by", fault)
    for row, (a, b, (*_, asserted_by, time)) in enumerate(
        zip(first.tolist(), second.tolist(), table.rows(), strict=True)
    ):
        if first_hashes[a] == second_hashes[b]:
            raise table.error(row, "identifier_b", f"{name} an identifier to itself")
        when = -1 if time is None else time
        pairs.append((when, first_hashes[a], second_hashes[b], asserted_by))
    return pairs


def _hashed(
    table: Table, columns: tuple[str, str], metadata: Metadata, key: bytes, names: Names
) -> tuple[NDArray[np.int64], list[bytes]]:
    """Return the distinct keyed hashes of two columns, and which one each row has."""
    codes, distinct = table.distinct(*columns)
    keyed = metadata.identifiers == "keyed"
    hashes = []
    for code, (namespace, value) in enumerate(distinct):
        for column, fault in zip(
            columns,
            ("", _fault_of_hash(value)) if keyed else _faults(namespace, value, names),
            strict=True,
        ):
            if fault:
                raise table.error(int(np.argmax(codes == code)), column, fault)
        identifier = Identifier(namespace, value)
        hashes.append(bytes.fromhex(value) if keyed else hash_identifier(key, identifier))
    return codes, hashes


def _fault_of_hash(value: str) -> str:
    known = _KEYED.fullmatch(value) is not None
    return "" if known else f"not a keyed hash, {2 * HASH_BYTES} hex digits in lower case"


def _faults(namespace: str, value: str, names: Names) -> tuple[str, str]:
    """Return what is wrong with namespace and value, "" where nothing is."""
    return (
        namespace_fault(namespace, names.namespaces),
        value_fault(namespace, value, names.nobody),
    )


def _check_likeness(table: Table, metadata: Metadata, event_types: Mapping[str, EventType]) -> None:
    """Check that the settings have each type, and that it means the same in the dataset."""
    for row, name in table.first_rows("type"):
        if fault := name_fault(name, event_types):
            raise table.error(row, "type", fault)
        like = metadata.event_types.get(name)
        if like is not None and EVENT_TYPES.get(like) != event_types[name]:
            reason = f"{name!r} is like {like!r} in the dataset, but not in the settings"
            raise table.error(row, "type", reason)


def _refuse(
    table: Table, bad: NDArray[np.bool_], column: str, reason: str, applies: bool = True
) -> None:
    if applies and bad.any():
        raise table.error(int(bad.argmax()), column, reason)


def _event_keys(table: Table) -> NDArray[np.uint64]:
    keys = np.empty(len(table), np.uint64)
    for row, event_id in table.non_null("event_id"):
        if not event_id:
            raise table.error(row, "event_id", Refusal.REQUIRED)
        keys[row] = event_key(event_id)
    return keys


def _contradictions(
    codes: NDArray[np.int64],
    keys: NDArray[np.uint64],
    timed: NDArray[np.bool_],
    at: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Tell which rows have identifier and event id of an earlier row, but another time."""
    bad = np.zeros(len(codes), np.bool_)
    order = np.lexsort((keys, codes))  # stable: the file's order within an id
    repeated = np.flatnonzero(
        (codes[order][1:] == codes[order][:-1]) & (keys[order][1:] == keys[order][:-1])
    )
    first: dict[tuple[int, int], int] = {}
    for place in repeated.tolist():
        earlier, later = int(order[place]), int(order[place + 1])
        stands = first.setdefault((int(codes[later]), int(keys[later])), earlier)
        bad[later] = bool(timed[later] != timed[stands] or at[later] != at[stands])
    return bad


def _by_hash(hashes: Sequence[bytes]) -> NDArray[np.int64]:
    """Return the rank of each hash among all, so that writes go through a store in its order."""
    halves = np.frombuffer(b"".join(hashes), ">u8").reshape(-1, 2)
    ranks = np.empty(len(hashes), np.int64)
    ranks[np.lexsort((halves[:, 1], halves[:, 0]))] = np.arange(len(hashes))
    return ranks
