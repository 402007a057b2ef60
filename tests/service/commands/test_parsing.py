"""What is typed becomes the message that it says, and what is printed can be typed again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from throughline.v1.common_pb2 import Money
from throughline.v1.event_pb2 import Event
from throughline.v1.offer_pb2 import Item
from throughline.v1.recommendation_pb2 import CONTEXT_KIND_IN_CART, ContextItem

from models.errors import BadDataset, BadInput
from service.commands import parsing, terminal
from service.commands.amounts import read_money


@given(st.integers(0, 10**12), st.integers(0, 999_999_999))
def test_money_is_read_as_it_is_printed(units: int, nanos: int) -> None:
    """No amount loses a billionth between being printed and being read."""
    amount = Money(currency="EUR", units=units, nanos=nanos)
    assert read_money(terminal.money_text(amount)) == amount


@given(st.text(min_size=1).filter(lambda text: ":" not in text), st.text(min_size=1))
def test_identifiers_may_hold_colons(namespace: str, value: str) -> None:
    """The namespace ends at the first colon; everything after it is the value."""
    read = parsing.read_identifier(f"{namespace}:{value}")
    assert (read.namespace, read.value) == (namespace, value)


def test_times_without_an_offset_are_utc() -> None:
    """An offset counts; without one the time is UTC."""
    assert parsing.read_time("2026-03-01T17:30:00").ToJsonString() == "2026-03-01T17:30:00Z"
    assert parsing.read_time("2026-03-01T17:30:00+02:00").ToJsonString() == "2026-03-01T15:30:00Z"


def test_context_items_say_how() -> None:
    """An item is before the customer on the page or in the cart."""
    read = parsing.read_context_item("cart:item:1")
    assert read == ContextItem(item_id="item:1", kind=CONTEXT_KIND_IN_CART)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((parsing.read_identifier, text) for text in ("", "loyalty", "loyalty:", ":L1")),
        *(
            (read_money, text)
            for text in ("", "3.50", "EUR", "x EUR", "NaN EUR", "1e-10 EUR", "1e99 EUR")
        ),
        *((parsing.read_time, text) for text in ("noon", "2026-13-01")),
        *((parsing.read_context_item, text) for text in ("item1", "seen:item1", "view:")),
    ],
)
def test_what_cannot_be_read_names_its_option(parse: Callable[[str], object], text: str) -> None:
    """A wrong value is refused with the option that it came by."""
    with pytest.raises(BadInput, match=r"^--"):
        parse(text)


def test_json_lines_take_identifiers_as_text(tmp_path: Path) -> None:
    """An identifier may be `namespace:value` or the contract's object; empty lines do not count."""
    path = tmp_path / "events.jsonl"
    path.write_text(
        '{"identifier": "loyalty:L1"}\n\n'
        '{"identifier": {"namespace": "loyalty", "value": "L1"}, "quantity": 2}\n'
    )
    first, second = parsing.json_lines(path, Event).messages
    assert first.identifier == second.identifier
    assert second.quantity == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1", "utf-32"])
def test_a_file_of_another_encoding_is_told_by_its_row(tmp_path: Path, encoding: str) -> None:
    """What is not UTF-8 is refused in one line that names the row, whatever it is instead."""
    path = tmp_path / "events.jsonl"
    path.write_bytes('{"type": "view"}\n{"item_id": "caf\xe9"}\n'.encode(encoding))
    with pytest.raises(BadDataset, match=r"events\.jsonl: row [12]: not (UTF-8; convert|JSON)"):
        parsing.json_lines(path, Event)


def test_the_mark_of_utf_8_is_no_part_of_a_file(tmp_path: Path) -> None:
    """A file that begins with a byte order mark, as Windows writes it, is read."""
    path = tmp_path / "events.jsonl"
    path.write_bytes('{"item_id": "caf\xe9"}\n'.encode("utf-8-sig"))
    assert parsing.json_lines(path, Event).messages == [Event(item_id="caf\xe9")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (r'{"item_id": "\ud800"}', "row 2, column item_id: half of a character"),
        (r'{"features": {"\udc00": "x"}}', "row 2, column features: half of a character"),
        (r'{"\ud800": "x"}', r"row 2, column \\ud800: half of a character"),
        ('{"item_id": "a", "item_id": "b"}', "row 2, column item_id: stands twice"),
        ('{"price": {"units": 1, "units": 2}}', "row 2, column units: stands twice"),
        ('{"item_id": ' + "[" * 5000 + "]" * 5000 + "}", "row 2: .* nested too deeply"),
        ('{"item_id": "a",}', "row 2: not JSON: .* at character 1[67]"),
        ('{"price": {"currency": "EUR", "units": 1.5}}', "column price.units: 1.5: want a whole"),
        ('{"price": {"currency": "EUR", "nanos": 1e10}}', "column price.nanos: .* of 32 bits"),
        ('{"stock": [{"place": "n", "quantity": 1e400}]}', r"column stock\[0\].quantity: Infinity"),
        ('{"stock": [{"place": "n", "quantity": 9223372036854775808}]}', "whole number of 64 bits"),
    ],
)
def test_a_line_that_cannot_be_meant_is_told(tmp_path: Path, line: str, said: str) -> None:
    """Half characters, names that stand twice, depths and numbers without end are told by row."""
    path = tmp_path / "items.jsonl"
    path.write_text('{"item_id": "good"}\n' + line + "\n")
    with pytest.raises(BadDataset, match=rf"^{path}: .*{said}"):
        parsing.json_lines(path, Item)


def test_both_halves_of_a_character_are_one(tmp_path: Path) -> None:
    """JSON may write a character as a pair of surrogates."""
    path = tmp_path / "items.jsonl"
    path.write_text(r'{"item_id": "\ud83d\ude00"}')
    assert parsing.json_lines(path, Item).messages == [Item(item_id="\U0001f600")]


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """A file without rows is a mistake, not a success."""
    path = tmp_path / "events.jsonl"
    path.touch()
    with pytest.raises(BadDataset, match="no rows"):
        parsing.json_lines(path, Event)
