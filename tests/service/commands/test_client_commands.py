"""The client commands against a real server: what a person reads, and what a program gets."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from models.policy.schema import BUILT_IN
from service import cli
from tests.support.in_process import Running, enter_release, running

pytestmark = pytest.mark.machine

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file, whose log does not mix with what commands print."""
    with capture_logs(), running(tmp_path_factory.mktemp("commands")) as started:
        yield started


@pytest.fixture
def throughline(
    live: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run a command against the server; returns its exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        server = f"127.0.0.1:{live.server.port}"
        monkeypatch.setattr(sys, "argv", ["throughline", *arguments, "--server", server])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def test_recommend_shows_offers_and_why(throughline: Run) -> None:
    """A slate is a table with rank, offer and reason, and says that the customer is new."""
    code, out, _ = throughline("recommend", "--id", "loyalty:new", "--channel", "web")
    assert code == 0
    assert "item:item" in out
    assert "popular" in out
    assert "cold start" in out


def test_recommend_as_json_is_the_contracts_answer(throughline: Run) -> None:
    """With --json a program gets every field under its name in the protos."""
    _, out, _ = throughline(
        "recommend", "--id", "loyalty:new", "--channel", "web", "--count", "3", "--json"
    )
    answer = json.loads(out)
    assert [offer["rank"] for offer in answer["offers"]]
    assert len(answer["offers"]) == 3
    assert answer["moment"]["intent"] == "default"


def test_a_purchase_is_told_in_words(throughline: Run) -> None:
    """An event recorded by options is read by the next answer, which says why not."""
    _, out, _ = throughline(
        "recommend", "--id", "loyalty:buyer", "--channel", "web", "--count", "1", "--json"
    )
    item = json.loads(out)["offers"][0]["item_id"]
    code, out, _ = throughline(
        *("record", "--id", "loyalty:buyer", "--type", "purchase", "--channel", "till"),
        *("--item", item, "--amount", "3.50 EUR", "--quantity", "2", "--place", "s1"),
    )
    assert (code, out) == (0, "Recorded 1 of 1\n")
    _, out, _ = throughline(
        "recommend", "--id", "loyalty:buyer", "--channel", "web", "--include", f"item:{item}"
    )
    assert "bought lately" in out


def test_record_many_tells_what_was_refused(throughline: Run, tmp_path: Path) -> None:
    """Events of a file are stored one by one; a refused one is named by its row."""
    path = tmp_path / "events.jsonl"
    row = {"identifier": "loyalty:many", "type": "view", "channel": "web", "item_id": "item1"}
    path.write_text(
        "\n".join(
            json.dumps(row | {"event_id": f"e{number}", "time": time})
            for number, time in enumerate(("2001-01-01T00:00:00Z", "2001-01-01T00:00:00Z"))
        )
    )
    code, out, _ = throughline("record", str(path))
    assert code == os.EX_DATAERR
    assert "Recorded 0 of 2" in out
    assert "Refused: 2" in out


def test_record_tells_what_counts_for_nothing(throughline: Run, tmp_path: Path) -> None:
    """A stored event that counts for nothing is named by its row, with the reason in words."""
    now = datetime.now(UTC).isoformat()
    row = {"identifier": "loyalty:void1", "type": "click", "channel": "web", "time": now}
    path = tmp_path / "events.jsonl"
    rows = [{**row, "event_id": "w1"}, {**row, "event_id": "w2", "item_id": "item1"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    code, out, _ = throughline("record", str(path))
    assert code == 0
    assert "Warnings: 1 of the events" in out
    assert "about no item and no offer: it counts for nothing" in out


def test_record_takes_returns_receipts_and_discounts(throughline: Run, tmp_path: Path) -> None:
    """A file of events may hold every field of the contract: a purchase, and that it came back."""
    who = {"identifier": "loyalty:returns", "channel": "till", "receipt_id": "r1"}
    euro = {"currency": "EUR", "units": "3"}
    now = datetime.now(UTC).isoformat()
    sold = {"event_id": "s1", "type": "purchase", "item_id": "item2", "time": now}
    rows = [
        {**who, **sold, "amount": euro, "discount": euro},
        {**who, "event_id": "s2", "type": "return", "of_event_id": "s1", "time": now},
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert throughline("record", str(path))[:2] == (0, "Recorded 2 of 2\n")
    assert "return" in throughline("customer", "--id", "loyalty:returns")[1]
    recommend = ("recommend", "--id", "loyalty:returns", "--channel", "web")
    assert "bought lately" not in throughline(*recommend, "--include", "item:item2")[1]


def test_a_return_is_recorded_by_options(throughline: Run) -> None:
    """A return given by options names the event that it takes back, with receipt and discount."""
    who = ("record", "--id", "loyalty:options", "--channel", "till", "--receipt", "r1")
    sold = ("--type", "purchase", "--item", "item2", "--amount", "3 EUR", "--discount", "1 EUR")
    assert throughline(*who, *sold, "--event-id", "o1")[0] == 0
    assert throughline(*who, "--type", "return", "--of-event", "o1")[0] == 0
    recommend = ("recommend", "--id", "loyalty:options", "--channel", "web")
    assert "bought lately" not in throughline(*recommend, "--include", "item:item2")[1]


def test_link_and_customer(throughline: Run) -> None:
    """Linked identifiers are one customer, whose events and links are shown, until unlinked."""
    throughline(
        *("record", "--id", "cookie:c1", "--type", "view", "--channel", "web", "--item", "item1")
    )
    code, out, _ = throughline("link", "loyalty:l1", "cookie:c1", "--by", "login")
    assert code == 0
    assert out.startswith("Linked: customer ")
    assert throughline("link", "loyalty:l1", "cookie:c1", "--by", "login")[1].startswith(
        "Linked before already"
    )
    _, out, _ = throughline("customer", "--id", "loyalty:l1")
    assert "2 identifiers" in out
    assert "Linked by login" in out
    assert "item1" in out
    assert "Nothing is stored" in throughline("customer", "--id", "loyalty:nobody")[1]
    code, out, _ = throughline("unlink", "cookie:c1", "loyalty:l1", "--by", "agent")
    assert (code, out) == (0, "The link is taken back: two customers\n")
    code, out, _ = throughline("unlink", "cookie:c1", "loyalty:l1", "--by", "agent")
    assert (code, out) == (0, "No link between them: two customers\n")


@pytest.mark.parametrize(("group", "key"), [("items", "item_id"), ("offers", "offer_id")])
def test_catalogue_rows_go_out_and_in(
    throughline: Run, tmp_path: Path, group: str, key: str
) -> None:
    """`list --json` prints what was said, and `upsert` reads it again; a withdrawn row is gone."""
    row = {key: f"new-{group}", "title": "[b]New[/b]", "price": {"currency": "EUR", "units": "3"}}
    if group == "offers":
        row["item_ids"] = ["item1"]
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    code, out, _ = throughline(group, "upsert", str(path))
    assert code == 0
    assert out.startswith("Stored 1: catalogue revision ")
    _, listed, _ = throughline(group, "list", "--json", "--count", "1000")
    (found,) = (line for line in map(json.loads, listed.splitlines()) if line[key] == row[key])
    assert {name: found[name] for name in row} == row
    path.write_text(json.dumps(found))
    assert throughline(group, "upsert", str(path))[0] == 0
    assert throughline(group, "list", "--json", "--count", "1000")[1] == listed
    _, out, _ = throughline(group, "get", f"new-{group}")
    assert "[b]New[/b]" in out
    assert "3.00 EUR" in out
    assert throughline(group, "withdraw", f"new-{group}")[1].startswith("Withdrew 1: ")
    code, _, err = throughline(group, "get", f"new-{group}")
    assert code == 1
    assert err.startswith("throughline: NOT_FOUND: ")


@pytest.mark.parametrize(("group", "key"), [("items", "item_id"), ("offers", "offer_id")])
def test_a_file_may_change_some_fields(
    throughline: Run, tmp_path: Path, group: str, key: str
) -> None:
    """`--fields` leaves all others as they are; what stays withdrawn is told, until `--restore`."""
    name = f"some-{group}"
    row: dict[str, object] = {key: name, "title": "T"}
    row["price"] = {"currency": "EUR", "units": "3"}
    row["stock"] = [{"quantity": "5", "as_of": "2026-01-01T00:00:00Z"}]
    if group == "offers":
        row["item_ids"] = ["item1"]
    path = tmp_path / "rows.jsonl"

    def upserted(said: Mapping[str, object], *options: str) -> str:
        path.write_text(json.dumps({key: name, **said}))
        code, out, err = throughline(group, "upsert", str(path), *options)
        assert code == 0, err
        return out

    def found() -> dict[str, object]:
        got: dict[str, object] = json.loads(throughline(group, "get", name, "--json")[1])
        return {field: got.get(field) for field in row}

    upserted(row)
    cheap = {"currency": "EUR", "units": "2"}
    upserted({"price": cheap, "title": "not this"}, "--fields", "price")
    assert found() == {**row, "price": cheap}
    upserted({"stock": [{"quantity": "0", "as_of": "2026-01-02T00:00:00Z"}]}, "--fields", "stock")
    upserted({"title": "U", "price": row["price"]}, "--fields", "title,price")
    stock = [{"as_of": "2026-01-02T00:00:00Z"}]
    assert found() == {**row, "title": "U", "stock": stock}
    assert throughline(group, "withdraw", name)[0] == 0
    told = "Of these 1 stay withdrawn; --restore offers them again"
    assert told in upserted(row)
    assert told in upserted({"price": cheap}, "--fields", "price")
    assert "withdrawn" not in upserted(row, "--restore", "--fields", "all")
    assert found() == row
    code, _, err = throughline(group, "upsert", str(path), "--fields", "price,colour")
    assert code == os.EX_DATAERR
    assert "--fields: unknown colour; want all, price, stock, or each once of title, " in err
    path.write_text(json.dumps({key: "nowhere"}))
    code, _, err = throughline(group, "upsert", str(path), "--fields", "stock")
    assert code == 1
    assert f"{group}[0].{key}: not in the catalogue" in err


def test_a_refused_request_names_every_field(throughline: Run) -> None:
    """Field violations of a refused call are on the one line that is printed."""
    code, out, err = throughline(
        "recommend", "--id", "loyalty:x", "--channel", "fax", "--count", "101"
    )
    assert (code, out) == (os.EX_DATAERR, "")
    assert err.startswith("throughline: INVALID_ARGUMENT: ")
    assert "channel" in err
    assert "count" in err
    assert err.count("\n") == 1


def test_releases_of_a_running_service(throughline: Run, live: Running) -> None:
    """A release is listed, promoted and rolled back through the service."""
    first = live.server.dependencies.active_release.release_id
    second = enter_release(live.registry.directory, seed=2)
    _, out, _ = throughline("releases", "list")
    assert f"in force   {first[:12]}" in out
    assert second[:12] in out
    policy = f"Policy:  {BUILT_IN.digest[:12]} (unchanged)\n"
    said = f"Release: {second[:12]} (before: {first[:12]})\n{policy}"
    assert throughline("releases", "promote", second[:10])[1] == said
    said = f"Release: {second[:12]} (unchanged)\n{policy}"
    assert throughline("releases", "promote", second[:10])[1] == said
    said = f"Release: {first[:12]} (before: {second[:12]})\n{policy}"
    assert throughline("releases", "rollback")[1] == said
    code, _, err = throughline("releases", "rollback")
    assert code == 1
    assert err.startswith("throughline: FAILED_PRECONDITION: ")
