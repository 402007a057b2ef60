"""The history of a dataset: what is refused before it is loaded, and by which names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.domain.profile import IDENTIFIERS_MOST
from models.errors import BadDataset
from service.contract.names import declare_names
from service.dataset.load import load_dataset
from service.store.store import Store
from tests.support.datasets import KEY, START, retailer, stores, write_dataset

NOW = START + 10**13  # later than all that happened there


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Store]:
    """An empty SQLite store, for what does not depend on the kind."""
    with stores(f"sqlite:{tmp_path}/embedded") as open_new:
        yield open_new()


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("events", {"type": "buy"}, "row 3: column type: unknown; one of accept, add_to_cart"),
        ("events", {"event_id": ""}, "row 3: column event_id: required"),
        ("events", {"sequence": 4}, "row 3: column sequence: set beside a time"),
        ("events", {"time": None}, "row 3: column time: missing in a timed dataset"),
        (
            "events",
            {"attributes": "[1]", "type": "attributes_changed"},
            "row 3: column attributes: Expected `object`",
        ),
        ("events", {"namespace": "shoe"}, "row 3: column namespace: unknown; one of case"),
        ("events", {"identifier": ""}, "row 3: column identifier: required"),
        (
            "events",
            {"namespace": "email_sha256", "identifier": "a@b.c"},
            "row 3: column identifier: looks like a clear e-mail",
        ),
        ("customers", {"attributes": '{"a": 1}'}, "row 3: column attributes: Expected `str`"),
        ("links", {"namespace_b": "loyalty"}, "row 3: column identifier_b: links an identifier"),
        ("items", {"item": "i0"}, "row 3: column item: named by an earlier row, too"),
        ("items", {"features": "x"}, "row 3: column features: JSON is malformed"),
        ("items", {"currency": None}, "row 3: column currency: required"),
        ("items", {"stock": '[{"place": "s"}]'}, "row 3: column stock: Object missing required"),
        ("offers", {"offer": "item:i1"}, "row 1: column offer: starts with item:"),
        ("offers", {"items": []}, "row 1: column items: required"),
        ("offers", {"valid_until": START}, "row 1: column valid_until: not after valid_from"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_stored(
    tmp_path: Path, embedded: Store, table: str, change: dict[str, Any], message: str
) -> None:
    """A row that cannot be loaded is told by file, row, column and reason before any write."""
    tables = retailer()
    rows = tables[table]
    rows[min(2, len(rows) - 1)].update(change)
    bad = write_dataset(tmp_path / "bad", tables)
    with pytest.raises(BadDataset) as caught:
        load_dataset(bad, embedded, KEY, NOW)
    assert str(caught.value).startswith(f"{bad}/{table}.parquet: {message}")
    assert embedded.revision() == 0
    assert not list(embedded.log(None))


def test_declared_event_types_are_folded_like_the_built_in(tmp_path: Path, embedded: Store) -> None:
    """A declared type is loaded where the settings declare it alike, and refused elsewhere."""
    event = {**retailer()["events"][1], "type": "watch"}
    tables = {"events": [event], "items": []}
    declared = write_dataset(tmp_path / "d", tables, event_types={"watch": "view"})
    with pytest.raises(BadDataset, match="column type: unknown; one of"):
        load_dataset(declared, embedded, KEY, NOW)
    with pytest.raises(BadDataset, match="'watch' is like 'view' in the dataset"):
        load_dataset(
            declared, embedded, KEY, NOW, names=declare_names(event_types={"watch": "purchase"})
        )


def test_links_of_what_many_share_are_refused(tmp_path: Path, embedded: Store) -> None:
    """The link that would make a customer of more than 50 is told by row before any write."""
    tables = retailer()
    shared = {"namespace_b": "device", "identifier_b": "kiosk", "asserted_by": "app", "time": START}
    people = [
        {"namespace_a": "loyalty", "identifier_a": f"p{number:02}", **shared}
        for number in range(IDENTIFIERS_MOST - 1)
    ]
    tables["links"] = people
    load_dataset(write_dataset(tmp_path / "most", tables), embedded, KEY, NOW)
    logged = len(list(embedded.log(None)))
    late = {"namespace_a": "loyalty", "identifier_a": "late", **shared, "time": START + 1}
    tables["links"] = [*people[:3], late, *people[3:]]
    bad = write_dataset(tmp_path / "bad", tables)
    with pytest.raises(BadDataset) as caught:
        load_dataset(bad, embedded, KEY, NOW)
    assert str(caught.value).startswith(f"{bad}/links.parquet: row 4: column identifier_b: joins")
    assert len(list(embedded.log(None))) == logged


def test_a_changed_file_is_refused(tmp_path: Path, embedded: Store) -> None:
    """A table that is not the one that was written is refused by name, and nothing is stored."""
    dataset = write_dataset(tmp_path / "d", retailer())
    with (dataset / "items.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BadDataset, match=r"items\.parquet: changed since it was written"):
        load_dataset(dataset, embedded, KEY, NOW)
    assert embedded.revision() == 0


def test_a_directory_without_metadata_is_no_dataset(tmp_path: Path, embedded: Store) -> None:
    """What is no dataset is told so, and one without items too."""
    with pytest.raises(BadDataset, match=r"dataset\.json: not found"):
        load_dataset(tmp_path, embedded, KEY, NOW)
    lacking = write_dataset(tmp_path / "d", {"events": []})
    with pytest.raises(BadDataset, match="no table items"):
        load_dataset(lacking, embedded, KEY, NOW)
