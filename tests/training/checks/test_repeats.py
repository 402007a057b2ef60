"""What happened once and is told twice."""

from tests.support.checked_data import ITEMS, Rows, checked, event, findings, shop


def again(rows: Rows, **columns: object) -> Rows:
    """Return rows as a second feed tells them, under other ids of events."""
    return [row | {"event_id": f"again-{row['event_id']}"} | columns for row in rows]


def test_rows_that_differ_by_their_id_alone_are_told() -> None:
    """Thirty purchases that were exported twice are told; a few scanned twice are not."""
    rows = shop()
    found = findings(checked([*rows, *again(rows[:30])]))
    assert set(found) == {"repeated-rows"}
    assert found["repeated-rows"].count == 30
    assert findings(checked([*rows, *again(rows[:5])])) == {}


def test_a_line_that_stands_twice_on_a_receipt_is_no_repeat() -> None:
    """Of receipts with other lines, one line twice is two of that article."""
    rows = shop()
    others = [
        row
        | {"event_id": f"b-{row['event_id']}", "item": f"I{(int(row['item'][1:]) + 1) % ITEMS:03}"}
        for row in rows
    ]
    assert findings(checked([*rows, *others, *again(rows[:40])])) == {}
    found = findings(checked([*rows, *others, *again(rows[:40]), *again(others[:40])]))
    assert found["repeated-rows"].count == 80


def test_equal_rows_without_an_order_are_no_repeats() -> None:
    """Nothing tells apart two views of an undated log: they are two."""
    rows = [row | {"time": None} for row in shop()]
    assert findings(checked([*rows, *again(rows)], kind="undated")) == {}


def test_a_customer_under_two_identifiers_is_told() -> None:
    """Two feeds of the same customers are told, pair by pair; chance meetings are not."""
    rows = shop()
    some = [row for row in rows if row["identifier"] in ("C003", "C004")]
    found = findings(checked([*rows, *again(some[::2]), *_as_crm(some)]))
    assert found["twins"].count == 2
    assert found["twins"].example == "crm:K3 and loyalty:C003"
    met = [event(at, 5, item="I001") for at in range(10)]
    assert "twins" not in findings(checked([*rows, *met]))


def _as_crm(rows: Rows) -> Rows:
    return [
        row
        | {"event_id": f"crm-{row['event_id']}", "namespace": "crm"}
        | {"identifier": f"K{row['identifier'][-1]}"}
        for row in rows
    ]
