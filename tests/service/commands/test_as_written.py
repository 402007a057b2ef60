"""Rows as people write them: features, prices, dates, classes; and what is printed, sent back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson
from hypothesis import given
from hypothesis import strategies as st
from throughline.v1 import offer_pb2 as pb
from throughline.v1.common_pb2 import Money
from throughline.v1.event_pb2 import Event

from models.errors import BadDataset, BadInput
from service.commands.amounts import read_money
from service.commands.as_written import RowReader
from service.commands.parsing import json_lines


def items_of(path: Path, *given: Mapping[str, Any]) -> list[pb.Item]:
    """Return the items of a file of these objects."""
    path = path / "items.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in given))
    return json_lines(path, pb.Item).messages


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("coffee", ["coffee"]),
        (["coffee", "tea"], ["coffee", "tea"]),
        ({"values": ["coffee"]}, ["coffee"]),
        (4, ["4"]),
        (2.5, ["2.5"]),
        (True, ["true"]),
        ([False, 7, "x"], ["false", "7", "x"]),
    ],
)
def test_a_feature_is_one_value_or_several(tmp_path: Path, written: Any, values: Any) -> None:
    """A value alone is a list of one; numbers and booleans are kept as the text that they are."""
    (item,) = items_of(tmp_path, {"item_id": "a", "features": {"category": written}})
    assert list(item.features["category"].values) == values


@pytest.mark.parametrize(
    "written",
    [
        "1.20 EUR",
        "EUR 1.20",
        "1,20 €",
        "€1.20",
        "1.2eur",
        {"amount": 1.2, "currency": "EUR"},
        {"amount": "1,20", "currency": "eur"},
        {"currency": "EUR", "units": "1", "nanos": 200_000_000},
    ],
)
def test_a_price_is_read_however_it_is_written(tmp_path: Path, written: Any) -> None:
    """Currency before or after, a comma or a point, a text or an object: the same amount."""
    (item,) = items_of(tmp_path, {"item_id": "a", "price": written})
    assert item.price == Money(currency="EUR", units=1, nanos=200_000_000)


@pytest.mark.parametrize(
    ("written", "units", "nanos"),
    [
        ("1,234.50 EUR", 1234, 500_000_000),
        ("1.234,50 EUR", 1234, 500_000_000),
        ("1.234.567 EUR", 1_234_567, 0),
        ("0,125 EUR", 0, 125_000_000),
        ("1.234 EUR", 1, 234_000_000),
        ("-1.50 EUR", -1, -500_000_000),
    ],
)
def test_thousands_are_told_from_decimals(written: str, units: int, nanos: int) -> None:
    """A point alone is a decimal point; of a point and a comma the later one is."""
    assert read_money(written) == Money(currency="EUR", units=units, nanos=nanos)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1,234 EUR", "1,234 may be 1234 or 1.234: write which"),
        ("$1.20", '$ is of several currencies: write its code, such as "USD"'),
        ("1.20 XYZ", "'XYZ' is no currency of ISO 4217"),
        ("1.20", 'want an amount and its currency, such as "1.20 EUR"'),
        ("EUR 1.20 USD", 'want an amount and its currency, such as "1.20 EUR"'),
        ("1.2.3,4 EUR", 'want an amount and its currency, such as "1.20 EUR"'),
    ],
)
def test_an_amount_that_may_be_two_is_refused(written: str, said: str) -> None:
    """What is not clear is never guessed, and the refusal says what would be."""
    with pytest.raises(BadInput) as refused:
        read_money(written)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("written", "time", "without_zone"),
    [
        ("2026-12-07", "2026-12-07T00:00:00Z", 1),
        ("2026-12-07 10:00", "2026-12-07T10:00:00Z", 1),
        ("2026-12-07T10:00:30", "2026-12-07T10:00:30Z", 1),
        ("2026-12-07 10:00+01:00", "2026-12-07T09:00:00Z", 0),
        ("2026-12-07 10:00 +01:00", "2026-12-07T09:00:00Z", 0),
        ("2026-12-07T10:00z", "2026-12-07T10:00:00Z", 0),
        ("2026-12-07T10:00:00.123456789Z", "2026-12-07T10:00:00.123456789Z", 0),
    ],
)
def test_a_time_without_a_zone_is_utc_and_counted(
    written: str, time: str, without_zone: int
) -> None:
    """A date is its start; one rule for the zone, and who sends is told how often it was taken."""
    reader = RowReader(pb.Item)
    assert reader.column("valid_until", written) == time
    assert reader.without_zone == without_zone


def test_what_was_read_as_utc_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the results stands how many times said no zone; nothing where all did."""
    row = {"item_id": "a", "valid_until": "2026-12-07"}
    items_of(tmp_path, row, {**row, "valid_from": "2026-12-01 08:00"})
    assert capsys.readouterr().err.endswith(
        "items.jsonl: read as UTC, since they say no zone: 3 times\n"
    )
    items_of(tmp_path, {"item_id": "a", "valid_until": "2026-12-07T00:00:00Z"})
    assert capsys.readouterr().err == ""


def test_a_class_and_lists_of_one_are_short(tmp_path: Path) -> None:
    """`service` is OFFER_CLASS_SERVICE; one group, one stock need no list."""
    (item,) = items_of(
        tmp_path,
        {
            "item_id": "a",
            "offer_class": "service",
            "groups": "summer",
            "stock": {"place": "north", "quantity": 3.0, "as_of": "2026-12-07"},
        },
    )
    assert item.offer_class == pb.OFFER_CLASS_SERVICE
    assert list(item.groups) == ["summer"]
    assert item.stock[0].as_of.ToJsonString() == "2026-12-07T00:00:00Z"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"pric": "1 EUR"}, "column pric: no such field; did you mean price?"),
        ({"price": 1.2}, 'column price: 1.2: want an amount and its currency, such as "1.20 EUR"'),
        ({"price": "1,234 EUR"}, "may be 1234 or 1.234: write which"),
        ({"price": {"amount": 1, "unit": "EUR"}}, "want an amount and its currency"),
        ({"valid_until": "07.12.2026"}, 'column valid_until: "07.12.2026": want a time such as'),
        ({"valid_until": 1765065600}, "column valid_until: 1765065600: want a time such as"),
        (
            {"features": {"a": None}},
            "column features.a: null: want a text, a number, true",
        ),
        ({"features": {"a": [{}]}}, "column features.a: {}: want a text"),
        ({"features": ["a"]}, 'column features: ["a"]: want an object'),
        ({"offer_class": "gift"}, '"gift": want one of marketing, service, transactional'),
        ({"item_id": 12}, "column item_id: 12: want a text"),
        ({"stock": [{"place": "n", "count": 1}]}, "column stock[0].count: no such field"),
        (
            {"stock": [{"quantity": "many"}]},
            'column stock[0].quantity: "many": want a whole number',
        ),
        (
            {"stock": [{"quantity": float("nan")}]},
            "column stock[0].quantity: NaN: want a whole number",
        ),
    ],
)
def test_a_refusal_names_field_what_was_written_and_what_would_be_right(
    tmp_path: Path, row: Mapping[str, Any], said: str
) -> None:
    """One line: file, row, column, the value, and what is wanted."""
    with pytest.raises(BadDataset) as refused:
        items_of(tmp_path, {"item_id": "ok"}, {"item_id": "a", **row})
    told = str(refused.value)
    assert told.startswith(f"{tmp_path}/items.jsonl: row 2, column ")
    assert said in told
    assert "\n" not in told


def test_a_personal_value_is_not_told(tmp_path: Path) -> None:
    """Identifiers and attributes are refused without being repeated."""
    for row in (
        {"identifier": "SECRET"},
        {"identifier": ["SECRET"]},
        {"identifier": {"SECRET": "loyalty"}},
        {"attributes": {"age": ["SECRET"]}},
    ):
        path = tmp_path / "events.jsonl"
        path.write_text(json.dumps(row))
        with pytest.raises(BadDataset) as refused:
            json_lines(path, Event)
        assert "SECRET" not in str(refused.value)


def test_only_a_line_feed_ends_a_row(tmp_path: Path) -> None:
    """A title may hold the separators of Unicode, which JSON allows within a text."""
    path = tmp_path / "items.jsonl"
    path.write_text('{"item_id": "a", "title": "x\u2028y\x85z"}\r\n{"item_id": "b"}\n')
    assert [item.item_id for item in json_lines(path, pb.Item).messages] == ["a", "b"]


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_features = st.dictionaries(
    _text, st.lists(_text, min_size=1, max_size=3).map(lambda told: pb.FeatureValues(values=told))
)
_money = st.builds(
    Money,
    currency=st.sampled_from(["EUR", "JPY"]),
    units=st.integers(-(10**12), 10**12),
    nanos=st.integers(0, 999_999_999),
)
_time = st.integers(0, 4 * 10**15)  # microseconds


@given(_text, _features, _money, _time, st.sampled_from([0, 1, 2, 3]), st.lists(_text, max_size=3))
def test_what_is_printed_is_read_back_unchanged(
    title: str,
    features: dict[str, pb.FeatureValues],
    price: Money,
    time: int,
    offer_class: pb.OfferClass.ValueType,
    names: list[str],
) -> None:
    """Each row that `list --json` prints is the row that `upsert` sends: nothing is lost."""
    item = pb.Item(item_id="a", title=title, features=features, price=price, groups=names)
    item.offer_class = offer_class
    item.valid_from.FromMicroseconds(time)
    item.stock.add(place=title, quantity=time).as_of.FromMicroseconds(time)
    offer = pb.Offer(offer_id="o", item_ids=names, channels=names, volume=time, value=price)
    offer.creatives.update(dict.fromkeys(names, title))
    for row in (item, offer):
        reader = RowReader(type(row))
        text = MessageToJson(row, preserving_proto_field_name=True, indent=None)
        given = json.loads(text)
        assert {name: reader.column(name, value) for name, value in given.items()} == given
        assert reader.without_zone == 0
