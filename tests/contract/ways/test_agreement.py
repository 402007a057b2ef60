"""Whatever an event holds, what reads it from a call, an import and a dataset agree about it."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from throughline.v1 import event_pb2

from models.domain.dataset import read_metadata
from models.domain.event_types import BUILT_IN
from models.domain.input.nobody import NOBODY
from models.errors import BadDataset
from service.contract.event_messages import RefusedEvent, read_event
from service.contract.names import declare_names
from service.dataset.history import EventTable
from tests.support.datasets import KEY, write_dataset
from tests.support.ways_in import as_message
from training.log.dataset import schema
from training.log.table_rules import declared, findings

NAMES = declare_names()
NOW = 1_800_000_000_000_000
GOOD = {
    "event_id": "e1",
    "namespace": "loyalty",
    "identifier": "Ann-1",
    "type": "purchase",
    "channel": "web",
    "time": NOW,
    "item": "item1",
}

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)
words = st.sampled_from(sorted(NOBODY)).flatmap(
    lambda word: st.sampled_from(
        [word, word.upper(), f" {word}\u200b", f"({word})", f"${{{word}}}", f"{word}7", f"x{word}"]
    )
)
ids = texts | words
whole = st.integers(-(2**62), 2**62) | st.integers(-2, 2) | st.integers(10**12 - 1, 10**12 + 1)
numbers = st.floats() | st.sampled_from([0.0, -0.0, 1e9, math.nextafter(1e9, math.inf), -5e-324])
names = texts | st.sampled_from(["web", "Web", "e-mail", "view", "View", "x" * 64, "x" * 65])
times = st.integers(NOW - 6 * 86_400_000_000, NOW + 400_000_000) | st.integers(-(2**61), 10**15)


def under(name: str) -> Callable[[Any], dict[str, Any]]:
    """Return what makes of a value the change of one column."""
    return lambda value: {name: value}


changes = st.one_of(
    *(ids.map(under(name)) for name in ("identifier", "event_id", "item")),
    *(ids.map(under(name)) for name in ("offer", "place", "receipt")),
    *(names.map(under(name)) for name in ("channel", "placement")),
    st.sampled_from(["email_sha256", "device", "passport", "Cookie"]).flatmap(
        lambda space: ids.map(lambda text: {"namespace": space, "identifier": text})
    ),
    (names | st.sampled_from([like.name for like in BUILT_IN])).map(lambda name: {"type": name}),
    numbers.map(lambda number: {"quantity": number}),
    whole.map(lambda units: {"amount_units": units, "amount_nanos": 0, "currency": "EUR"}),
    st.integers(-(2**31), 2**31 - 1).map(
        lambda nanos: {"amount_units": 1, "amount_nanos": nanos, "currency": "EUR"}
    ),
    texts.map(lambda code: {"amount_units": 1, "amount_nanos": 0, "currency": code}),
    times.map(lambda at: {"time": at}),
)


def by_call(row: dict[str, Any]) -> str:
    """Return why a call refuses an event."""
    message = cast(event_pb2.Event, as_message("events", row))
    read = read_event(message, NAMES, KEY, NOW)
    return read.detail.partition(": ")[2] if isinstance(read, RefusedEvent) else ""


def by_table(row: dict[str, Any]) -> str:
    """Return why an import rejects a row, or `train` refuses its dataset."""
    types = {**schema("events"), "time": pl.Int64()}
    frame = pl.DataFrame({name: [row.get(name)] for name in types}, schema=types)
    found = findings("events", frame, declared((), {}, (), now=NOW))
    return next((finding.reasons[0] for finding in found), "")


def by_load(folder: Path, row: dict[str, Any]) -> str:
    """Return why a load refuses a dataset."""
    try:
        directory = write_dataset(folder / "d", {"events": [row], "items": []})
        EventTable(directory, read_metadata(directory), KEY, NAMES, NOW)
    except BadDataset as error:
        return str(error).partition("column ")[2].partition(": ")[2]
    return ""


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(change=changes)
def test_they_agree(tmp_path_factory: pytest.TempPathFactory, change: dict[str, Any]) -> None:
    """A call, a table and a load take the same events, and refuse the others in the same words."""
    row = {**GOOD, **change}
    called = by_call(row)
    if called.startswith("older than 7 days"):
        called = ""  # which is what history is
    assert by_table(row) == called
    assert by_load(tmp_path_factory.mktemp("any"), row) == called
