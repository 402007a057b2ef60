"""The mapping language: what its keys do, and what is wrong with a mapping."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from models.errors import BadInput
from tests.support.imports import ABOUT, EVENTS, HEADER, rejects, run


def test_join_where_require_and_money(tmp_path: Path) -> None:
    """A failed join is no reject, `where` skips, `require` rejects, and amounts are exact."""
    mapping = ABOUT + EVENTS.replace('item = "thing"', 'item = "thing"\nplace = "shop"').replace(
        'file = "events"',
        'file = "events"\njoin = [{ file = "shops", on = { till = "id" } }]\n'
        'where = { who = "!= test" }\nrequire = { paid = "> 0" }\n'
        'amount = { column = "paid", currency = "EUR" }',
    )
    text = (
        "who,what,at,thing,till,paid\n"
        "1,buy,2026-01-01,a,7,0.29\n"
        "2,buy,2026-01-01,a,8,-1\n"
        "3,buy,2026-01-01,a,9,19.99\n"
        "test,buy,2026-01-01,a,7,1\n"
        "4,buy,2026-01-01,a,7,much\n"
        "5,buy,2026-01-01,a,8,999999999999.99\n"
    )
    imported, dataset = run(
        tmp_path, mapping, {"events.csv": text, "shops.csv": "id,shop\n7,north\n8,south\n"}
    )
    columns = ("identifier", "place", "amount_units", "amount_nanos", "currency")
    assert dataset.events.select(columns).rows() == [
        ("1", "north", 0, 290_000_000, "EUR"),
        ("3", None, 19, 990_000_000, "EUR"),
        ("5", "south", 999_999_999_999, 990_000_000, "EUR"),
    ]
    assert [(row, reason) for _, row, _, reason in rejects(tmp_path)] == [
        (2, "not > 0"),
        (5, "not a number"),
    ]
    assert imported.rejects.tallies[0].skipped == 1
    assert imported.rejects.notes[0] == "events.csv: 1 rows without a match in shops.csv; kept"


def test_a_row_becomes_one_for_each_of_many(tmp_path: Path) -> None:
    """A join of many makes an event for each distinct value, of no row that is not meant."""
    join = '{ file = "parts", on = { thing = "mail" }, columns = ["part"], many = true }'
    mapping = ABOUT + EVENTS.replace('item = "thing"', 'item = "part"').replace(
        'file = "events"', f'file = "events"\njoin = [{join}]\nwhere = {{ who = "!= 3" }}'
    )
    text = HEADER + "1,look,2026-01-01,a\n2,look,2026-01-01,b\n3,look,2026-01-01,a\n"
    parts = "mail,part,shelf\na,x,1\na,y,1\na,x,2\nc,z,1\n"
    imported, dataset = run(tmp_path, mapping, {"events.csv": text, "parts.csv": parts})
    rows = dataset.events.select("identifier", "item").sort("identifier", "item").rows()
    assert rows == [("1", "x"), ("1", "y"), ("2", None)]
    (tally,) = imported.rejects.tallies
    assert (tally.read, tally.added, tally.kept, tally.skipped) == (3, 1, 3, 1)
    assert imported.rejects.notes[0] == "events.csv: 1 rows without a match in parts.csv; kept"


def test_a_condition_on_what_many_bring_is_met(tmp_path: Path) -> None:
    """What a join of many adds can be asked for, and can be told apart in the event's id."""
    join = '{ file = "parts", on = { thing = "mail" }, columns = ["part"], many = true }'
    mapping = ABOUT + EVENTS.replace('item = "thing"', 'item = "part"').replace(
        'file = "events"',
        f'file = "events"\njoin = [{join}]\nwhere = {{ part = "!= x" }}\n'
        'event_id.template = "{thing}:{part}"',
    )
    parts = "mail,part\na,x\na,y\na,z\n"
    _, dataset = run(
        tmp_path, mapping, {"events.csv": f"{HEADER}1,look,2026-01-01,a\n", "parts.csv": parts}
    )
    assert sorted(dataset.events["event_id"].to_list()) == ["a:y", "a:z"]


def test_a_join_of_many_says_which_columns(tmp_path: Path) -> None:
    """Without columns a row would become one for everything that the other file tells apart."""
    mapping = ABOUT + EVENTS.replace(
        'file = "events"', 'file = "events"\njoin = [{ file = "parts", on = "thing", many = true }]'
    )
    with pytest.raises(BadInput, match=r"events\[0\]\.join\[0\]: many goes with columns"):
        run(tmp_path, mapping, {"events.csv": HEADER, "parts.csv": "thing\n"})


def test_several_files_feed_one_table(tmp_path: Path) -> None:
    """Blocks of one table are put together, each with its own channel."""
    mapping = ABOUT + EVENTS + EVENTS.replace('"events"', '"more"').replace('"web"', '"till"')
    _, dataset = run(
        tmp_path,
        mapping,
        {
            "events.csv": HEADER + "1,look,2026-01-01,a\n",
            "more.csv": HEADER + "1,buy,2026-01-02,a\n",
        },
    )
    assert dataset.events["channel"].to_list() == ["web", "till"]
    assert dataset.metadata.channels == ["till", "web"]


def test_order_numbers_the_events_of_a_customer(tmp_path: Path) -> None:
    """`order` numbers a customer's events, nulls last, equal ones alike; `once` keeps the first."""
    mapping = ABOUT.replace("timed", "ordered") + EVENTS.replace(
        'time = "at"', 'order = ["visit", "step"]\nonce = ["what", "touch"]'
    )
    text = (
        "who,what,thing,visit,step,touch\n"
        "1,buy,c,1,,\n"
        "1,buy,d,1,,\n"
        "1,look,b,2,1,t1\n"
        "1,look,a,1,1,t1\n"
        "2,look,a,9,9,t1\n"
    )
    imported, dataset = run(tmp_path, mapping, {"events.csv": text})
    rows = dataset.events.select("identifier", "sequence", "item").sort("identifier", "item").rows()
    assert rows == [("1", 1, "a"), ("1", 2, "c"), ("1", 2, "d"), ("2", 1, "a")]
    assert imported.rejects.tallies[0].repeated == 1


def test_order_may_number_the_events_of_the_whole_dataset(tmp_path: Path) -> None:
    """With `order_over = "dataset"` sequences compare across customers; only an order has any."""
    ordered = ABOUT.replace('"timed"', '"ordered"\norder_over = "dataset"')
    mapping = ordered + EVENTS.replace('time = "at"', 'order = ["visit", "step"]')
    text = "who,what,thing,visit,step\n1,buy,c,5,\n2,look,a,5,1\n2,look,b,2,9\n1,look,a,5,1\n"
    _, dataset = run(tmp_path, mapping, {"events.csv": text})
    rows = dataset.events.select("identifier", "sequence", "item").sort("sequence", "identifier")
    assert rows.rows() == [("2", 1, "b"), ("1", 2, "a"), ("2", 2, "a"), ("1", 3, "c")]
    assert dataset.metadata.order_over == "dataset"
    timed = ABOUT.replace('"timed"', '"timed"\norder_over = "dataset"') + EVENTS
    (tmp_path / "timed").mkdir()
    with pytest.raises(BadInput, match="order_over"):
        run(tmp_path / "timed", timed, {"events.csv": text})


def test_offers_collect_their_items(tmp_path: Path) -> None:
    """Rows of one offer become one offer over all their items; a contradiction is a reject."""
    mapping = (
        ABOUT
        + EVENTS
        + """
[[offers]]
file = "coupons"
offer.template = "{campaign}-{coupon}"
items = "thing"
title = "name"
valid_until = { column = "last", plus_days = 1 }
channels = { column = "where", split = "|" }
"""
    )
    coupons = (
        "campaign,coupon,thing,name,last,where\n"
        "1,A,b,Ten off,2026-02-01,web|app\n"
        "1,A,a,Ten off,2026-02-01,web|app\n"
        "1,B,c,Five off,2026-02-01,\n"
        "1,B,d,Six off,2026-02-01,\n"
    )
    _, dataset = run(
        tmp_path,
        mapping,
        {"events.csv": HEADER + "1,look,2026-01-01,a\n", "coupons.csv": coupons},
    )
    offers = dataset.tables["offers"]
    assert offers.select("offer", "items", "channels").rows() == [
        ("1-A", ["a", "b"], ["web", "app"]),
        ("1-B", ["c"], None),
    ]
    assert offers["valid_until"].to_list() == 2 * [datetime(2026, 2, 2, tzinfo=UTC)]
    assert dataset.items["item"].to_list() == ["a", "b", "c"]
    assert [(file, row) for file, row, _, _ in rejects(tmp_path)] == [("coupons.csv", 4)]


def test_items_customers_and_links(tmp_path: Path) -> None:
    """Features, attributes and links are mapped; an address that is no hash is refused."""
    mapping = (
        ABOUT
        + EVENTS
        + """
[[items]]
file = "things"
item = "id"
price = { column = "price", currency = "EUR" }
features = { brand = "brand", tags = { column = "tags", split = "," } }

[[customers]]
file = "people"
namespace.const = "user"
identifier = "id"
attributes = { segment = "segment", tier.const = "gold" }

[[links]]
file = "people"
namespace_a.const = "user"
identifier_a = "id"
namespace_b.const = "email_sha256"
identifier_b = "mail"
asserted_by.const = "login"
"""
    )
    mail = "ab" * 32
    _, dataset = run(
        tmp_path,
        mapping,
        {
            "events.csv": HEADER + "1,look,2026-01-01,a\n",
            "things.csv": 'id,price,brand,tags\na,2.50,Alba,"x,y"\nz,,,\n',
            "people.csv": f"id,segment,mail\n1,family,{mail}\n2,,me@example.com\n",
        },
    )
    assert dataset.items.select("item", "features", "price_units", "price_nanos").rows() == [
        ("a", '{"brand":"Alba","tags":["x","y"]}', 2, 500_000_000),
        ("z", "{}", None, None),
    ]
    assert dataset.tables["customers"]["attributes"].to_list() == [
        '{"segment":"family","tier":"gold"}',
        '{"tier":"gold"}',
    ]
    assert dataset.tables["links"]["identifier_b"].to_list() == [mail]
    assert rejects(tmp_path) == [("people.csv", 2, "mail", "looks like a clear e-mail")]


def test_links_of_what_many_share_are_rejects(tmp_path: Path) -> None:
    """Links of more than 50 identifiers to one customer are rejects, each with its row."""
    mapping = (
        ABOUT
        + EVENTS
        + """
[[links]]
file = "people"
namespace_a.const = "user"
identifier_a = "id"
namespace_b.const = "device"
identifier_b = "device"
asserted_by.const = "login"
"""
    )
    rows = "".join(f"{number:03},kiosk\n" for number in range(1, 61)) + "001,phone\n060,own\n"
    _, dataset = run(
        tmp_path,
        mapping,
        {"events.csv": HEADER + "1,look,2026-01-01,a\n", "people.csv": "id,device\n" + rows},
    )
    assert dataset.tables["links"].height == 50
    assert {entry[:3] for entry in rejects(tmp_path)} == {
        ("people.csv", row, "identifier_b") for row in range(49, 61)
    }
    assert "more than 50 identifiers" in rejects(tmp_path)[0][3]


def test_truth(tmp_path: Path) -> None:
    """Held-out rows become `truth.parquet` beside the tables, not events."""
    mapping = (
        ABOUT.replace("timed", "undated")
        + EVENTS.replace('time = "at"', 'where = { at = "train" }')
        + '[truth]\nfile = "events"\nwhere = { at = "val" }\n'
        + 'customer.template = "user:{who}"\nitem = "thing"\n'
    )
    text = HEADER + "1,look,train,a\n1,buy,val,b\n"
    imported, dataset = run(tmp_path, mapping, {"events.csv": text})
    assert dataset.events.height == 1
    assert imported.truth_rows == 1
    assert pl.read_parquet(tmp_path / "out" / "truth.parquet").rows() == [("user:1", "b")]


RETURNS = """
event_id = "line"
of_event = "of"
receipt = "slip"
quantity = "number"
amount = { column = "paid", currency = "EUR" }
discount = { column = "off", currency = "EUR" }
"""


def test_returns_receipts_and_discounts(tmp_path: Path) -> None:
    """A mapping fills what a return takes back, the receipt and the discount of a line."""
    mapping = ABOUT + EVENTS.replace(
        'buy = "purchase"', 'buy = "purchase", back = "return", cancel = "void"'
    ).replace('item = "thing"\n', f'item = "thing"{RETURNS}')
    text = (
        "who,what,at,thing,line,of,slip,number,paid,off\n"
        "1,buy,2026-01-01,a,l1,,s1,2,9.90,0.10\n"
        "1,back,2026-01-02,a,l2,l1,s2,1,,\n"
        "1,cancel,2026-01-03,a,l3,l1,,,,\n"
    )
    _, dataset = run(tmp_path, mapping, {"events.csv": text})
    columns = ("type", "of_event", "receipt", "quantity", "discount_units", "discount_nanos")
    assert dataset.events.select(columns).rows() == [
        ("purchase", None, "s1", 2.0, 0, 100_000_000),
        ("return", "l1", "s2", 1.0, None, None),
        ("void", "l1", None, None, None, None),
    ]
    assert dataset.events["currency"].to_list() == ["EUR", None, None]


def test_a_discount_is_in_the_currency_of_its_amount(tmp_path: Path) -> None:
    """A discount of another currency than the amount is a fault of the mapping."""
    other = RETURNS.replace('"off", currency = "EUR"', '"off", currency = "CHF"')
    text = "who,what,at,thing,line,of,slip,number,paid,off\n1,buy,2026-01-01,a,l,,s,2,9.9,1\n"
    mapping = ABOUT + EVENTS.replace('item = "thing"\n', f'item = "thing"{other}')
    with pytest.raises(BadInput, match="all money of a row must be in one currency"):
        run(tmp_path, mapping, {"events.csv": text})


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("file =", "fiel ="), "events[0]"),
        (('"web"', '"telepathy"'), "events[0].channel"),
        (('buy = "purchase"', 'buy = "bought"'), "events[0].type"),
        (('item = "thing"', 'item = "thong"'), "events[0].item"),
        (('item = "thing"', "item = {}"), "events[0].item"),
        (('time = "at"', ""), "events[0]"),
        (('zone = "UTC"', 'zone = "Mars"'), "dataset.zone"),
        (("add_missing_items = true", ""), "items"),
        (("kind =", "kindly ="), "dataset"),
    ],
)
def test_a_wrong_mapping_names_the_key(tmp_path: Path, change: tuple[str, str], key: str) -> None:
    """A mapping that is wrong, or does not fit its files, is refused with the key at fault."""
    with pytest.raises(BadInput) as error:
        run(
            tmp_path,
            (ABOUT + EVENTS).replace(*change),
            {"events.csv": HEADER + "1,look,2026-01-01,a\n"},
        )
    assert error.value.field == key
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("said", "nearest"), [("EURO", "EUR"), ("usd", "USD"), ("bitcoin", "")])
@pytest.mark.parametrize("place", ["dataset", "field"])
def test_a_currency_that_there_is_not(tmp_path: Path, place: str, said: str, nearest: str) -> None:
    """A mapping's currency is one of ISO 4217, or the key and the nearest are told."""
    of_all = f'currency = "{said}"\n' if place == "dataset" else ""
    of_field = f', currency = "{said}"' if place == "field" else ""
    mapping = f'{ABOUT}{of_all}{EVENTS}amount = {{ column = "paid"{of_field} }}\n'
    files = {"events.csv": "who,what,at,thing,paid\n1,buy,2026-01-01,a,1.20\n"}
    with pytest.raises(BadInput, match="currency") as refused:
        run(tmp_path, mapping, files)
    assert f"{said!r}: unknown; " in str(refused.value)
    assert nearest in str(refused.value)
    assert not (tmp_path / "out").exists()
