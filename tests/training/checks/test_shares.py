"""One customer or one item that is a large share of all."""

import pytest

from tests.support.checked_data import DAYS, ITEMS, articles, checked, event, findings, shop


def test_a_card_for_all_who_have_none_is_told() -> None:
    """An identifier with a tenth of the events is told with its share."""
    rows = [
        *shop(),
        *(
            event(999, day * 1440 + 600 + n, channel="store")
            for day in range(DAYS)
            for n in range(7)
        ),
    ]
    found = findings(checked(rows))
    assert set(found) == {"customer-share"}
    assert found["customer-share"].what == "events of one loyalty, 10% of all"
    assert (found["customer-share"].count, found["customer-share"].example) == (420, "C999")


def test_a_busy_customer_is_a_person() -> None:
    """Twice what the busiest do is no robot."""
    rows = [*shop(), *(event(999, day * 1440 + 600) for day in range(DAYS))]
    assert findings(checked(rows)) == {}


@pytest.mark.parametrize("lines", [1, 2])
def test_what_stands_on_each_receipt_is_told(lines: int) -> None:
    """A line of postage with each purchase is told, also where there are two such lines."""
    postage = [f"P{at}" for at in range(lines)]
    rows = shop()
    rows += [
        row | {"event_id": f"{row['event_id']}-{item}", "item": item}
        for row in shop()
        if row["type"] == "purchase"
        for item in postage
    ]
    items = [*articles(), *({"item": item, "features": '{"brand": "b"}'} for item in postage)]
    found = findings(checked(rows, items=items))
    assert set(found) == {"item-share"}
    assert found["item-share"].count == DAYS * 30
    assert found["item-share"].what == "receipts with one item beside others, 100%"


def test_one_item_for_all_is_told() -> None:
    """Where most views are about one item, that is told though there are no receipts."""
    rows = [
        row | {"item": "I000"} if row["type"] == "view" and at % 5 else row
        for at, row in enumerate(shop())
    ]
    found = findings(checked(rows))
    assert set(found) == {"item-share"}
    assert found["item-share"].what == "view events of one item, 80% of all"
    assert found["item-share"].example == "I000"


def test_a_bestseller_is_an_article() -> None:
    """An item that sells ten times as often as others, alone or beside them, is no postage."""
    rows = shop()
    rows += [
        row | {"event_id": f"{row['event_id']}-2", "item": "I001"} for row in shop()[:: ITEMS // 10]
    ]
    rows += [event(at % 80, 30 * at, item="I001") for at in range(10 * DAYS * 30 // ITEMS)]
    assert findings(checked(rows)) == {}
