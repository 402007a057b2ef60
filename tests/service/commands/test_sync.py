"""`items sync` and `offers sync`: a full feed, its dry run, and the guard against shrinking."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from structlog.testing import capture_logs
from throughline.v1.offer_pb2 import Item, Offer

from models.errors import BadDataset
from service import cli
from service.client import CallFailed, Tls, connect
from service.commands import call_parts, catalogue_calls
from service.commands.call_parts import parts
from tests.support.in_process import Running, running
from tests.support.ports import free_port

Run = Callable[..., tuple[int, str, str]]
CATALOGUE = [
    {
        "item_id": f"i{number}",
        "title": f"Title {number}",
        "features": {"category": {"values": ["a"]}},
        "price": {"currency": "EUR", "units": str(number)},
        "stock": [{"place": "north", "quantity": "3"}],
    }
    for number in range(20)
]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Running]:
    """One server, with a small catalogue of its own."""
    with capture_logs(), running(tmp_path) as started:
        yield started


@pytest.fixture
def catalogue(
    live: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run a command about the server's catalogue; returns exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        server = f"127.0.0.1:{live.server.port}"
        monkeypatch.setattr(sys, "argv", ["throughline", *arguments, "--server", server])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def sync(catalogue: Run, tmp_path: Path) -> Run:
    """Run `items sync` with these rows against the server; returns exit code, stdout, stderr."""

    def run(rows: Sequence[object], *options: str, kind: str = "items") -> tuple[int, str, str]:
        path = tmp_path / "feed.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows))
        return catalogue(kind, "sync", str(path), *options)

    return run


def offered(live: Running) -> dict[str, str]:
    """Return the title of each item that the server offers."""
    catalogue = live.server.dependencies.active_release.snapshot.catalogue
    return {name: item.title for name, item in catalogue.items.items() if not item.withdrawn}


@pytest.mark.machine
def test_a_feed_makes_the_catalogue_its_own(sync: Run, live: Running) -> None:
    """What is new or changed is stored, what is missing withdrawn, and again there is nothing."""
    before = len(offered(live))
    code, out, err = sync(CATALOGUE, "--allow-shrink")
    assert code == 0, err
    assert out.startswith(f"Stored 20 new and 0 changed, withdrew {before}, left 0 as they are")
    assert offered(live) == {f"i{number}": f"Title {number}" for number in range(20)}
    assert "Stored 0 new and 0 changed, withdrew 0, left 20 as they are" in sync(CATALOGUE)[1]
    later = [*CATALOGUE[1:19], {**CATALOGUE[19], "title": "Other"}, {"item_id": "more"}]
    code, out, _ = sync(later)
    assert (code, out) == (0, "Stored 1 new and 1 changed, withdrew 1, left 18 as they are\n")
    assert offered(live).keys() == {*(f"i{number}" for number in range(1, 20)), "more"}
    assert offered(live)["i19"] == "Other"
    _, out, _ = sync([CATALOGUE[0], *later])
    assert "Of these 1 stay withdrawn; --restore offers them again" in out
    sync([CATALOGUE[0], *later], "--restore")
    assert "i0" in offered(live)


@pytest.mark.machine
def test_a_dry_run_says_what_would_change_and_changes_nothing(sync: Run, live: Running) -> None:
    """Counts, and the ids of the first few, of each way."""
    sync(CATALOGUE, "--allow-shrink")
    revision = live.server.dependencies.active_release.snapshot.catalogue.revision
    new = [{"item_id": f"new{number}"} for number in range(7)]
    code, out, _ = sync([*CATALOGUE[1:19], {**CATALOGUE[19], "title": "Other"}, *new], "--dry-run")
    assert code == 0
    assert [line.split(maxsplit=2) for line in out.splitlines()[:4]] == [
        ["new", "7", "new0, new1, new2, new3, new4, ..."],
        ["changed", "1", "i19"],
        ["withdrawn", "1", "i0"],
        ["unchanged", "18"],
    ]
    assert live.server.dependencies.active_release.snapshot.catalogue.revision == revision


@pytest.mark.machine
def test_a_feed_that_lost_a_part_is_refused(sync: Run, live: Running) -> None:
    """One that would withdraw more than a fifth ends with 65 and changes nothing; so does none."""
    sync(CATALOGUE, "--allow-shrink")
    revision = live.server.dependencies.active_release.snapshot.catalogue.revision
    for options in ((), ("--dry-run",)):
        code, _, err = sync([*CATALOGUE[:15], {"item_id": "more"}], *options)
        assert code == os.EX_DATAERR
        assert "would withdraw 5 items, 25% of those offered; nothing was changed" in err
    assert sync([], "--allow-shrink")[0] == os.EX_DATAERR
    assert live.server.dependencies.active_release.snapshot.catalogue.revision == revision
    assert sync(CATALOGUE[:16])[0] == 0


@pytest.mark.machine
def test_of_a_bad_feed_nothing_is_stored(
    sync: Run, live: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that the service refuses, in whichever call, a row twice, or no JSON: all stays."""
    sync(CATALOGUE, "--allow-shrink")
    monkeypatch.setattr(call_parts, "ROWS", 10)
    revision = live.server.dependencies.active_release.snapshot.catalogue.revision
    many = [{"item_id": f"more{number}"} for number in range(15)]
    code, _, err = sync([*CATALOGUE, *many, {"item_id": "bad", "title": "x" * 300}])
    assert code == os.EX_DATAERR
    assert "feed.jsonl: row 36, column title: too long; max 256" in err
    code, _, err = sync([*CATALOGUE, CATALOGUE[3]])
    assert code == os.EX_DATAERR
    assert "row 21, column item_id: 'i3' again" in err
    assert sync([*CATALOGUE, {"item_id": "z", "colour": 1}])[0] == os.EX_DATAERR
    assert live.server.dependencies.active_release.snapshot.catalogue.revision == revision


@pytest.mark.machine
def test_offers_are_synced_as_items_are(sync: Run, live: Running) -> None:
    """`offers sync` leaves items alone."""
    items = offered(live)
    feed = [{"offer_id": "o1", "item_ids": ["item1"], "offer_class": "OFFER_CLASS_SERVICE"}]
    code, _, err = sync(feed, "--allow-shrink", kind="offers")
    assert code == 0, err
    assert "left 1 as they are" in sync(feed, kind="offers")[1]
    catalogue = live.server.dependencies.active_release.snapshot.catalogue
    assert [name for name, offer in catalogue.offers.items() if not offer.withdrawn] == ["o1"]
    assert offered(live) == items


def test_calls_are_bounded_by_rows_and_by_bytes() -> None:
    """No call has more than 1,000 rows or 3 MiB of them, and together they have every row once."""
    rows = [Item(item_id=f"i{at}", title="x" * (200_000 if at % 7 == 0 else 1)) for at in range(99)]
    rows += [Item(item_id=f"j{at}") for at in range(2_500)]
    calls = list(parts(rows))
    assert [row for call in calls for row in call] == rows
    assert all(len(call) <= 1_000 for call in calls)
    assert all(sum(row.ByteSize() for row in call) <= call_parts.CALL_BYTES for call in calls)
    huge = [Item(item_id="a", title="x" * 4_000_000), Item(item_id="b")]
    assert [len(call) for call in parts(huge)] == [1, 1]
    assert list(parts([])) == []


RICH = [
    {
        "item_id": f"rich{number}",
        "features": {f"f{at}": ["x" * 250] * 16 for at in range(3)},
        "stock": {"place": "north", "quantity": 1},
    }
    for number in range(700)
]


@pytest.mark.machine
def test_what_is_listed_can_be_sent_back(catalogue: Run, live: Running, tmp_path: Path) -> None:
    """700 items of 12 KB are stored, and what is printed of them is stored again, unchanged."""
    path = tmp_path / "rich.jsonl"
    path.write_text("\n".join(map(json.dumps, RICH)))
    assert catalogue("items", "upsert", str(path))[0] == 0
    code, printed, _ = catalogue("items", "list", "--count", "10000", "--json")
    assert code == 0
    path.write_text(printed)
    before = live.server.dependencies.active_release.snapshot.catalogue.items
    code, out, err = catalogue("items", "upsert", str(path))
    assert (code, err) == (0, "")
    assert out.startswith(f"Stored {len(printed.splitlines())}: catalogue revision")
    assert live.server.dependencies.active_release.snapshot.catalogue.items == before
    assert f"left {len(before)} as they are" in catalogue("items", "sync", str(path))[1]


@pytest.mark.machine
def test_a_failure_halfway_says_how_far_it_came(
    catalogue: Run, live: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many rows are stored, from which on not, and that the same command may be repeated."""
    monkeypatch.setattr(call_parts, "ROWS", 10)
    path = tmp_path / "new.jsonl"
    rows = [{"item_id": f"new{number}", "title": "x"} for number in range(25)]
    path.write_text("\n".join(map(json.dumps, rows)))
    send = catalogue_calls.ItemCalls._upsert

    def once(calls: Any, client: Any, part: Any, mask: Any, restore: bool, check: bool) -> Any:
        if not check and part[0].item_id != "new0":
            raise CallFailed(grpc.StatusCode.UNAVAILABLE, "store: no answer")
        return send(calls, client, part, mask, restore, check)

    monkeypatch.setattr(catalogue_calls.ItemCalls, "_upsert", once)
    code, out, err = catalogue("items", "upsert", str(path))
    assert (code, out) == (os.EX_UNAVAILABLE, "")
    assert err == (
        "throughline: UNAVAILABLE: 10 of 25 are stored; counted from 'new10': store: no answer; "
        "the same command does the rest, or a file from that row on\n"
    )
    assert "new9" in offered(live)
    assert "new10" not in offered(live)
    ids = [f"new{number}" for number in range(15)] + ["x" * 300]
    code, out, err = catalogue("items", "withdraw", *ids)
    assert code == os.EX_DATAERR
    assert "10 of 16 ids are done, none from 'new10' on: item_ids[5]: too long" in err
    assert "new9" not in offered(live)


@pytest.mark.parametrize("command", ["upsert", "sync"])
def test_a_bad_row_anywhere_stores_nothing(
    catalogue: Run, live: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """What is refused in the last of several calls is told by its line, and none is kept."""
    monkeypatch.setattr(call_parts, "ROWS", 10)
    path = tmp_path / "bad.jsonl"
    rows = [{"item_id": f"{command}{number}", "title": "x"} for number in range(25)]
    rows[23] |= {"title": "x" * 300, "sensitivity": "a b"}
    path.write_text("\n\n".join(map(json.dumps, rows)))
    more = ["--allow-shrink"] if command == "sync" else []
    code, out, err = catalogue("items", command, str(path), *more)
    assert (code, out) == (os.EX_DATAERR, "")
    assert err == (
        f"throughline: {path}: row 47, column title: too long; max 256; "
        "another field is refused, too\n"
    )
    assert f"{command}0" not in offered(live)


def test_a_row_that_no_call_takes_is_told_before_any_is_sent() -> None:
    """A row of more than 4 MiB is named, with its size, and nothing is sent: nobody is asked."""
    ids = [f"{number:0250}" for number in range(20_000)]
    rows = [Offer(offer_id="small", item_ids=["item1"]), Offer(offer_id="huge", item_ids=ids)]
    with (
        connect(f"127.0.0.1:{free_port()}", tls=Tls()) as nobody,
        pytest.raises(BadDataset, match=r"feed: row 2: offer_id 'huge': 4\.8 MiB; a call takes at"),
    ):
        catalogue_calls.OfferCalls().upsert(
            nobody, rows, FieldMask(), False, lambda at: f"feed: row {at + 1}"
        )
