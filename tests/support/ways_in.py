"""The four ways in: rows as a dataset has them go through each, and what each tells comes back.

Every way takes rows of one kind and returns for each of them what was told, "" where it was taken.
"""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from throughline.v1 import common_pb2, customer_pb2, event_pb2, offer_pb2

from service import cli
from service.client import CallFailed, connect
from tests.support.datasets import write_dataset
from tests.support.waiting import PATIENCE

Rows = Sequence[Mapping[str, Any]]


def as_message(kind: str, row: Mapping[str, Any]) -> Message:
    """Return a row as the message that a caller sends."""
    return {"events": _event, "items": _item, "offers": _offer, "links": _link}[kind](row)


def by_api(server: str, kind: str, rows: Rows) -> list[str]:
    """Send the rows to a server: events in one call, all else each by itself."""
    messages: list[Any] = [as_message(kind, row) for row in rows]
    with connect(server, PATIENCE) as client:
        if kind == "events":
            request = event_pb2.RecordEventsRequest(events=messages)
            answer = client.call(client.events.RecordEvents, request)
            return [result.outcome.detail for result in answer.results]
        told = []
        for message in messages:
            try:
                if kind == "items":
                    upsert_items = offer_pb2.UpsertItemsRequest(items=[message])
                    client.call(client.offers.UpsertItems, upsert_items)
                elif kind == "offers":
                    upsert_offers = offer_pb2.UpsertOffersRequest(offers=[message])
                    client.call(client.offers.UpsertOffers, upsert_offers)
                else:
                    client.call(client.customers.LinkIdentifiers, message)
                told.append("")
            except CallFailed as error:
                told.append(_without_reason(str(error)))
        return told


def by_cli(folder: Path, server: str, kind: str, rows: Rows) -> list[str]:
    """Give the rows to the commands that call a server: `record`, `items upsert`, `link`."""
    if kind == "events":
        path = _json_lines(folder / "events.jsonl", kind, rows)
        code, out, err = run("record", str(path), "--json", "--server", server)
        results = json.loads(out).get("results", []) if out else []
        assert results, err
        return [result.get("outcome", {}).get("detail", "") for result in results]
    told = []
    for number, row in enumerate(rows):
        if kind == "links":
            ends = [f"{row[f'namespace_{end}']}:{row[f'identifier_{end}']}" for end in "ab"]
            words = ["link", "--by", row["asserted_by"], "--server", server, "--", *ends]
        else:
            path = _json_lines(folder / f"{kind}{number}.jsonl", kind, [row])
            words = [kind, "upsert", str(path), "--server", server]
        code, _, err = run(*words)
        told.append(one_line(code, err) if code else "")
    return told


def by_import(folder: Path, kind: str, rows: Rows, good_event: Mapping[str, Any]) -> list[str]:
    """Import the rows, all of one file, by a mapping that gives each column its own."""
    folder.mkdir(parents=True)
    frame = pl.DataFrame([_imported(kind, row) for row in rows], infer_schema_length=None)
    frame.write_parquet(folder / "rows.parquet")
    events = [dict(good_event)] if kind != "events" else []
    pl.DataFrame([_imported("events", row) for row in [*events, good_event]]).write_parquet(
        folder / "good.parquet"
    )
    (folder / "mapping.toml").write_text(_mapping(kind, frame))
    words = ("import", str(folder / "mapping.toml"), "--out", str(folder / "dataset"))
    code, _, err = run(*words, "--max-rejects", "1")
    assert code == 0, err
    told = [""] * len(rows)
    with (folder / "dataset.rejects.csv").open(newline="", encoding="utf-8") as file:
        for reject in csv.DictReader(file):
            assert reject["file"] == "rows.parquet", reject
            told[int(reject["row"]) - 1] = f"{reject['column']}: {reject['reason']}"
    return told


def by_load(folder: Path, kind: str, rows: Rows, good_event: Mapping[str, Any]) -> list[str]:
    """Load a dataset of each row into one store."""
    told = []
    for number, row in enumerate(rows):
        tables: dict[str, list[Mapping[str, Any]]] = {"events": [good_event], "items": []}
        tables[kind] = [*([good_event] if kind == "events" else []), _loaded(kind, row)]
        dataset = write_dataset(folder / f"{kind}{number}", tables)
        code, _, err = run("load", str(dataset), "--store", f"sqlite:{folder / 'store'}")
        told.append(one_line(code, err) if code else "")
    return told


def run(*words: str) -> tuple[int, str, str]:
    """Run a command line to its end in this process; return its exit code, stdout and stderr."""
    out, err, before = StringIO(), StringIO(), sys.argv
    sys.argv = ["throughline", *words]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            cli.main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    else:
        raise AssertionError("a command ends by an exit code")
    finally:
        sys.argv = before
    return code, out.getvalue(), err.getvalue()


def one_line(code: int, err: str) -> str:
    """Return what a command that was refused tells: one line, with an exit code for bad data."""
    assert code == 65, (code, err)
    assert "Traceback" not in err
    assert err.count("\n") == 1, err
    return _without_reason(err.rstrip("\n"))


def _without_reason(text: str) -> str:
    """Return what an error says in words, without the code that its status has for programs."""
    return text.partition("; reason ")[0]


def _event(row: Mapping[str, Any]) -> event_pb2.Event:
    message = event_pb2.Event(
        event_id=row["event_id"],
        identifier=_identifier(row, ""),
        type=row["type"],
        channel=row["channel"],
        item_id=row.get("item") or "",
        offer_id=row.get("offer") or "",
        placement=row.get("placement") or "",
        place=row.get("place") or "",
        quantity=row.get("quantity") or 0.0,
        amount=_money(row, "amount"),
        discount=_money(row, "discount"),
        decision_id=row.get("decision_id") or "",
        attributes=row.get("attributes") or {},
        of_event_id=row.get("of_event") or "",
        receipt_id=row.get("receipt") or "",
    )
    _fill_time(message.time, row["time"])
    return message


def _item(row: Mapping[str, Any]) -> offer_pb2.Item:
    message = offer_pb2.Item(item_id=row["item"])
    _fill(message, row)
    return message


def _offer(row: Mapping[str, Any]) -> offer_pb2.Offer:
    message = offer_pb2.Offer(
        offer_id=row["offer"],
        item_ids=row["items"],
        channels=row.get("channels") or (),
        creatives=row.get("creatives") or {},
        volume=row.get("volume"),
    )
    _fill(message, row)
    return message


def _link(row: Mapping[str, Any]) -> customer_pb2.LinkIdentifiersRequest:
    return customer_pb2.LinkIdentifiersRequest(
        a=_identifier(row, "_a"), b=_identifier(row, "_b"), asserted_by=row["asserted_by"]
    )


def _fill(message: offer_pb2.Item | offer_pb2.Offer, row: Mapping[str, Any]) -> None:
    message.title = row.get("title") or ""
    for name, values in (row.get("features") or {}).items():
        message.features[name].values.extend(values)
    for name in ("price", "value"):
        money = _money(row, name)
        if money is not None:
            getattr(message, name).CopyFrom(money)
    for name in ("valid_from", "valid_until", "price_until"):
        if row.get(name) is not None:
            _fill_time(getattr(message, name), row[name])
    for place, quantity in row.get("stock") or ():
        message.stock.add(place=place, quantity=quantity)
    message.sensitivity = row.get("sensitivity") or ""
    message.groups.extend(row.get("groups") or ())


def _identifier(row: Mapping[str, Any], end: str) -> common_pb2.Identifier:
    return common_pb2.Identifier(namespace=row[f"namespace{end}"], value=row[f"identifier{end}"])


def _money(row: Mapping[str, Any], name: str) -> common_pb2.Money | None:
    units, nanos = row.get(f"{name}_units"), row.get(f"{name}_nanos")
    if units is None and nanos is None:
        return None
    return common_pb2.Money(currency=row.get("currency") or "", units=units or 0, nanos=nanos or 0)


def _fill_time(message: Any, microseconds: int) -> None:
    message.seconds, rest = divmod(microseconds, 1_000_000)
    message.nanos = rest * 1_000


def _json_lines(path: Path, kind: str, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps(
            MessageToDict(as_message(kind, row), preserving_proto_field_name=True),
            ensure_ascii=False,
        )
        for row in rows
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="")
    return path


def _loaded(kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as the table of a dataset has it, JSON in its columns."""
    found = dict(row)
    for name in ("attributes", "features", "creatives"):
        if found.get(name) is not None:
            found[name] = json.dumps(found[name])
    if found.get("stock") is not None:
        entries = [{"place": at, "quantity": count, "as_of": 0} for at, count in found["stock"]]
        found["stock"] = json.dumps(entries)
    return found


_MONEY = {"events": ("amount", "discount"), "items": ("price", "value")}
_MONEY["offers"] = _MONEY["items"]


def _imported(kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as somebody's own table may have it: money as decimals, features flat."""
    found = {name: value for name, value in row.items() if name != "currency"}
    for name in _MONEY.get(kind, ()):
        units, nanos = found.pop(f"{name}_units", None), found.pop(f"{name}_nanos", None)
        if units is not None:
            sign = "-" if units < 0 or nanos < 0 else ""
            found[name] = f"{sign}{abs(units)}.{abs(nanos):09d}"
        else:
            found[name] = None
    attributes = found.pop("attributes", None) or {}
    if kind == "events":
        found["plan"] = attributes.get("plan")
    features = found.pop("features", None) or {}
    if kind == "items":
        found["color"] = features.get("color")
    return found


_TIMES = {"time", "valid_from", "valid_until"}
_ABOUT = """
[dataset]
kind = "timed"
source = "test"
currency = "EUR"
add_missing_items = true
"""


def _mapping(kind: str, frame: pl.DataFrame) -> str:
    events = ["event_id", "namespace", "identifier", "type", "channel", "time", "item"]
    good = _block("events", "good", events)
    return _ABOUT + good + _block(kind, "rows", frame.columns)


def _block(kind: str, file: str, columns: Sequence[str]) -> str:
    lines = [f"[[{kind}]]", f'file = "{file}"', 'duplicates = "keep"']
    if kind == "events":
        lines.append('below_zero = "reject"')  # else what is below zero is a return
    for name in columns:
        if name == "plan":
            lines.append('attributes = { plan = "plan" }')
        elif name == "color":
            lines.append('features = { color = "color" }')
        elif name in _TIMES:
            lines.append(f'{name} = {{ column = "{name}", format = "epoch_microseconds" }}')
        else:
            lines.append(f'{name} = "{name}"')
    return "\n".join(lines) + "\n"
