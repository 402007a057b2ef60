"""Items that events and the table of items do not share, that lack features, or are no article."""

from tests.support.checked_data import ITEMS, articles, checked, findings, shop


def test_events_about_items_written_otherwise_are_told() -> None:
    """Where the table of items writes ids in another way, most events are about unknown ones."""
    items = [row | {"item": row["item"].lstrip("I")} for row in articles()]
    found = findings(checked(shop(), items=items))
    assert set(found) == {"item-unknown", "item-never-seen"}
    assert found["item-unknown"].count == len(shop())
    assert found["item-never-seen"].count == ITEMS


def test_no_table_of_items_is_no_fault() -> None:
    """A dataset without items of its own is not told that all are unknown."""
    assert findings(checked(shop(), items=[])) == {}


def test_events_about_items_without_features_are_told() -> None:
    """Items without features are told where the others have some, and not where none has."""
    items = [*articles()[5:], *articles(None)[:5]]
    found = findings(checked(shop(), items=items))
    assert set(found) == {"item-undescribed"}
    assert found["item-undescribed"].what.startswith("events about items without features, 1")
    assert findings(checked(shop(), items=articles(None))) == {}


def test_a_catalogue_of_which_most_never_sold_is_noted() -> None:
    """Items that no event is about are noted from one half on."""
    more = [{"item": f"N{at}", "features": '{"brand": "b"}'} for at in range(ITEMS)]
    assert findings(checked(shop(), items=[*articles(), *more[1:]])) == {}
    found = findings(checked(shop(), items=[*articles(), *more]))
    assert (set(found), found["item-never-seen"].count) == ({"item-never-seen"}, ITEMS)


def test_a_word_among_numbered_ids_is_noted() -> None:
    """POSTAGE among numbered articles is noted; names among names are not."""
    rows = [row | {"item": "POSTAGE"} if at % 100 == 0 else row for at, row in enumerate(shop())]
    items = [*articles(), {"item": "POSTAGE", "features": '{"brand": "b"}'}]
    found = findings(checked(rows, items=items))
    assert set(found) == {"item-no-article"}
    assert (found["item-no-article"].count, found["item-no-article"].example) == (1, "POSTAGE")
    named = [row | {"item": "ABCDEFGH"[int(row["item"][1:]) % 8]} for row in shop()]
    assert "item-no-article" not in findings(checked(named, items=[]))
