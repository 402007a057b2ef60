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
    items = [*articles(), *({"item": item, "features": "{}"} for item in postage)]
    found = findings(checked(rows, items=items))
    assert found["item-share"].count == DAYS * 30
    assert "purchase events of one item" in found["item-share"].what


def test_a_bestseller_is_an_article() -> None:
    """An item that sells three times as often as the next is no postage."""
    rows = [
        *shop(),
        *(event(at % 80, 30 * at, item="I001") for at in range(2 * DAYS * 30 // ITEMS)),
    ]
    assert findings(checked(rows)) == {}
