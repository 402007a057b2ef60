"""Several writers of one catalogue, over both stores: no change of one is lost to another."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from models.domain.catalogue import Catalogue, Item, Money, Stock
from models.errors import Conflict
from service.store import catalogue_writes
from service.store.catalogue_writes import catch_up, change_catalogue
from service.store.store import Store

Open = Callable[[str], Store]
TIMES = 25


def test_two_feeds_of_one_item_lose_nothing(store_url: str, opened: Open) -> None:
    """Of a price feed and a stock feed at once, each in a process, the last word of both stands."""
    opened(store_url).put_catalogue([Item(id="i1", title="kept"), Item(id="i2")])

    def feed(field: str, value: Callable[[int], object]) -> None:
        store, known = opened(store_url), Catalogue()
        for number in range(TIMES):

            def change(catalogue: Catalogue, number: int = number) -> list[Item]:
                return [replace(catalogue.items["i1"], **{field: value(number)})]

            known = change_catalogue(store, known, change).before

    with ThreadPoolExecutor() as pool:
        feeds = [
            pool.submit(feed, "price", lambda number: Money("EUR", number)),
            pool.submit(feed, "stock", lambda number: (Stock("s1", number, 1),)),
        ]
        for one in feeds:
            one.result()
    catalogue = catch_up(opened(store_url), Catalogue())
    assert catalogue.revision == 1 + 2 * TIMES
    last = TIMES - 1
    wanted = Item(id="i1", title="kept", price=Money("EUR", last), stock=(Stock("s1", last, 1),))
    assert catalogue.items["i1"] == wanted


def test_a_writer_who_always_loses_gives_up(
    store_url: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many lost races nothing is stored, and the writer is told."""
    store, other = opened(store_url), opened(store_url)
    monkeypatch.setattr(catalogue_writes, "ATTEMPTS", 3)

    def change(catalogue: Catalogue) -> list[Item]:
        other.put_catalogue([Item(id="other")])
        return [Item(id="mine")]

    with pytest.raises(Conflict, match="too many changes at once"):
        change_catalogue(store, Catalogue(), change)
    assert [*catch_up(store, Catalogue()).items] == ["other"]
    assert store.revision() == 3


def test_the_revision_that_is_expected_holds_to_the_end(store_url: str, opened: Open) -> None:
    """Where somebody is faster after the revision was seen to be right, nothing is stored."""
    store, other = opened(store_url), opened(store_url)
    assert change_catalogue(store, Catalogue(), lambda _: [Item(id="a")], 0).revision == 1

    def change(catalogue: Catalogue) -> list[Item]:
        other.put_catalogue([Item(id="other")])
        return [Item(id="mine")]

    with pytest.raises(Conflict, match="expected 1"):
        change_catalogue(store, Catalogue(), change, 1)
    assert sorted(catch_up(store, Catalogue()).items) == ["a", "other"]


def test_a_change_of_nothing_stores_nothing(store_url: str, opened: Open) -> None:
    """Without rows there is no revision, but the one expected has to be that of now."""
    store = opened(store_url)
    store.put_catalogue([Item(id="a")])
    assert change_catalogue(store, Catalogue(), lambda _: []).revision == store.revision() == 1
    with pytest.raises(Conflict, match="expected 7"):
        change_catalogue(store, Catalogue(), lambda _: [], 7)
