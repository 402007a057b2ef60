"""The four ways in agree: what one refuses all refuse, in the same words, and nothing is written.

The values are in `tests/support/bad_values.py`: each goes to a real server by the API and by the
commands, and by real files through `throughline import` and `throughline load`.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.bad_values import (
    API,
    BAD,
    CLI,
    EVENT,
    GOOD,
    IMPORT,
    ITEM,
    LINK,
    LOAD,
    OFFER,
    Row,
)
from tests.support.server_processes import prepared, served
from tests.support.ways_in import by_api, by_cli, by_import, by_load

pytestmark = pytest.mark.machine

WAYS = (API, CLI, IMPORT, LOAD)
KINDS = (EVENT, ITEM, OFFER, LINK)
NOW = time.time_ns() // 1_000
BASE: Mapping[str, dict[str, Any]] = {
    EVENT: {
        "namespace": "loyalty",
        "identifier": "Ann-1",
        "type": "purchase",
        "channel": "web",
        "time": NOW,
        "item": "item1",
    },
    ITEM: {"title": "New"},
    OFFER: {"items": ["item1"]},
    LINK: {
        "namespace_a": "loyalty",
        "identifier_a": "Ann-1",
        "namespace_b": "device",
        "identifier_b": "Phone-1",
        "asserted_by": "login",
    },
}
GOOD_EVENT = {**BASE[EVENT], "event_id": "good"}


class Ways:
    """A server for the API and the commands, and folders for the files of the others."""

    def __init__(self, folder: Path, server: str, directory: Path) -> None:
        self.folder = folder
        self.server = server
        self.directory = directory
        self._runs = 0

    def told(self, way: str, rows: list[Row]) -> list[str]:
        """Return what a way tells of each of some rows, of any kinds."""
        self._runs += 1
        folder = self.folder / f"{way}{self._runs}"
        found: dict[int, str] = {}
        for kind in KINDS:
            chosen = {at: row for at, row in enumerate(rows) if row.kind == kind}
            if not chosen:
                continue
            full = [complete(row, at) for at, row in chosen.items()]
            if way == API:
                told = by_api(self.server, kind, full)
            elif way == CLI:
                told = by_cli(folder, self.server, kind, full)
            elif way == IMPORT:
                told = by_import(folder / kind, kind, full, GOOD_EVENT)
            else:
                told = by_load(folder, kind, full, GOOD_EVENT)
            assert len(told) == len(full)
            found.update(zip(chosen, told, strict=True))
        return [found[at] for at in range(len(rows))]

    def served_store(self) -> list[tuple[Any, ...]]:
        """Return all that the server's store holds of what people sent."""
        return content(self.directory / "var" / "data")

    def loaded_store(self) -> list[tuple[Any, ...]]:
        """Return all that the last load wrote."""
        return content(self.folder / f"{LOAD}{self._runs}" / "store")


def complete(row: Row, number: int) -> dict[str, Any]:
    """Return a whole row that only its change makes bad."""
    ids = {EVENT: "event_id", ITEM: "item", OFFER: "offer"}
    own = {ids[row.kind]: f"new-{number}"} if row.kind in ids else {}
    return {**BASE[row.kind], **own, **row.change}


def content(directory: Path) -> list[tuple[Any, ...]]:
    """Return every row of a store's tables that hold what came in."""
    (path,) = directory.glob("*.db")
    tables = ("customers", "log", "catalogue", "decisions", "chunks")
    with sqlite3.connect(path) as database:
        return [row for name in tables for row in database.execute(f"SELECT * FROM {name}")]


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    """One server process for all rows."""
    directory = tmp_path_factory.mktemp("server")
    prepared(directory)
    with served(directory) as server:
        yield Ways(tmp_path_factory.mktemp("ways"), server.address, directory)


@pytest.mark.parametrize("way", WAYS)
def test_bad_values_are_refused_alike(ways: Ways, way: str) -> None:
    """Each bad value is refused in the same words by each way that can say it; nothing is kept."""
    rows = [row for row in BAD if way not in row.not_by]
    before = ways.served_store()
    told = ways.told(way, rows)
    wrong = [
        (row.kind, row.change, row.reason, answer)
        for row, answer in zip(rows, told, strict=True)
        # An import adds what its mapping might say.
        if not answer.partition("; say ")[0].endswith(f": {row.reason}")
    ]
    assert wrong == []
    assert ways.served_store() == before
    if way == LOAD:
        assert ways.loaded_store() == []


@pytest.mark.parametrize("way", WAYS)
def test_good_values_near_the_limits_are_taken(ways: Ways, way: str) -> None:
    """Each good value is taken by each way that can say it."""
    rows = [row for row in GOOD if way not in row.not_by]
    told = ways.told(way, rows)
    assert [pair for pair in zip(rows, told, strict=True) if pair[1]] == []


def test_there_are_many() -> None:
    """The table has at least 150 bad values, and every way can say most of them."""
    assert len(BAD) >= 150
    for way in WAYS:
        assert sum(way not in row.not_by for row in BAD) >= 150
