"""The index: where offers lie in a release's space, and when they may be shown."""

import tempfile
from pathlib import Path

import numpy as np
from msgspec import structs

from models.domain.catalogue import Catalogue, Item, Money, Offer, Row, Stock
from models.numeric.fixed import to_fixed
from models.ranking.offer_index import OfferIndex
from models.ranking.offer_rows import OfferRows
from tests.support.small_release import small_catalogue, small_release


def make(items: int = 400) -> OfferIndex:
    """Return an index over `items` items and the three explicit offers."""
    release = small_release(Path(tempfile.mkdtemp()), items)
    return OfferIndex(release, small_catalogue(items))


INDEX = make()


def row_of(rows: OfferRows, item_id: str) -> int:
    """Return the row of an item that the catalogue has."""
    row = rows.row_of_item(item_id)
    assert row is not None
    return row


def test_a_set_lies_at_the_weighted_mean_of_its_items() -> None:
    """The vector of an offer over a set is the popularity-weighted mean of its members'."""
    members = INDEX.members.of(INDEX.rows.row_of("coupon:many") or 0)
    rows = INDEX.release_items.row_of_item[members]
    weights = INDEX.release.item_weights[rows]
    mean = (weights[:, None] * INDEX.release.vectors[rows]).sum(axis=0) / weights.sum()
    number = (INDEX.rows.row_of("coupon:many") or 0) - INDEX.rows.item_count
    np.testing.assert_allclose(INDEX.vectors.sets[number], mean, rtol=1e-4)


def test_a_large_set_is_judged_by_its_most_popular_items() -> None:
    """Of an offer over more than 64 items the 64 most popular members count."""
    items = [f"item{number}" for number in range(200)]
    catalogue = small_catalogue(400).apply(2, [Offer(id="large", items=tuple(items))])
    index = OfferIndex(INDEX.release, catalogue)
    members = index.members.of(index.rows.row_of("large") or 0)
    assert len(members) == 64
    weights = INDEX.release.item_weights
    chosen = {INDEX.release.items[row] for row in index.release_items.row_of_item[members]}
    least = min(weights[INDEX.release.item_row[item]] for item in chosen)
    assert all(weights[INDEX.release.item_row[item]] <= least for item in set(items) - chosen)


def test_new_items_stand_by_their_features_and_unknown_ones_last() -> None:
    """An item not learnt gets its features' vector; one without features the least bias of all."""
    rows = [Item(id="a", features={"category": ["a"]}), Item(id="b", features={"shape": ["?"]})]
    index = OfferIndex(INDEX.release, Catalogue().apply(1, rows))
    vectors = index.vectors.fixed
    np.testing.assert_array_equal(vectors[0], to_fixed(INDEX.release.feature_vectors)[0])
    assert vectors[1, -1] == to_fixed(INDEX.release.vectors)[:, -1].min()
    assert not vectors[1, :-1].any()


def test_validity_is_exact() -> None:
    """An offer is eligible from its first moment up to, and not at, its last."""
    offer = Offer(id="o", items=("item1",), valid_from=100, valid_until=200)
    index = OfferIndex(INDEX.release, small_catalogue(400).apply(2, [offer]))
    row = index.rows.row_of("o")
    assert row is not None
    assert [bool(index.availability.eligible(now).mask[row]) for now in (99, 100, 199, 200)] == [
        False,
        True,
        True,
        False,
    ]


def test_an_item_s_own_offer_can_be_valid_for_a_time() -> None:
    """An item's validity is that of its default offer; the coupons on it have their own."""
    items = [Item(id="item3", valid_from=100, valid_until=200), Item(id="item4")]
    index = OfferIndex(INDEX.release, small_catalogue(400).apply(2, items))
    rows = [index.rows.row_of(offer) for offer in ("item:item3", "item:item4", "coupon:one")]
    told = [
        [bool(index.availability.eligible(now).mask[row]) for row in rows] for now in (99, 150, 200)
    ]
    assert told == [[False, True, True], [True, True, True], [False, True, True]]


def test_what_is_eligible_is_kept_and_right_in_any_order_of_asking() -> None:
    """Asked back and forth over the bounds of validity, the answer is that of a fresh look."""
    offers = [
        Offer(id=f"o{at}", items=("item1",), valid_from=10 * at, valid_until=10 * at + 15)
        for at in range(6)
    ]
    index = OfferIndex(INDEX.release, small_catalogue(400).apply(2, offers))
    for now in np.random.default_rng(4).integers(-5, 80, 400).tolist():
        wanted = [10 * at <= now < 10 * at + 15 for at in range(6)]
        mask = index.availability.eligible(now).mask
        assert [bool(mask[index.rows.row_of(offer.id)]) for offer in offers] == wanted


def test_popular_items_are_in_order() -> None:
    """The order by popularity is by descending mean log share, then row."""
    scores, order = INDEX.popularity.ranked([0, 1])
    assert sorted(order.tolist()) == list(range(INDEX.rows.items))
    pairs = [(-int(scores[row]), row) for row in order.tolist()]
    assert pairs == sorted(pairs)


def test_a_changed_feature_of_an_offer_is_seen() -> None:
    """An offer that gets another feature has that one in the index of the later catalogue."""
    row = INDEX.rows.row_of("coupon:one") or 0
    coupon = Offer(id="coupon:one", title="Coupon on one", items=("item3",))
    index = INDEX
    for revision, brand in enumerate(("old", "new"), 2):
        changed = structs.replace(coupon, features={"brand": [brand]})
        index = index.update(index.catalogue.apply(revision, [changed]))
        assert index.feature_values.first(row, "brand") == brand
    assert INDEX.feature_values.first(row, "brand") == ""


def test_a_change_of_stock_or_price_shares_what_is_learnt() -> None:
    """Where no id, feature or membership changes, rows, members and vectors stay as they are."""
    items, offers = INDEX.catalogue.items, INDEX.catalogue.offers
    changed: list[Row] = [
        structs.replace(items["item3"], price=Money("EUR", 1), price_until=9),
        structs.replace(items["item4"], stock=(Stock("s1", 0, 1),)),
        structs.replace(offers["coupon:one"], channels=("app",)),
    ]
    later = INDEX.update(INDEX.catalogue.apply(2, changed))
    for part in ("rows", "release_items", "members", "vectors", "popularity", "new_items"):
        assert getattr(later, part) is getattr(INDEX, part), part
    four, coupon = later.rows.row_of("item:item4"), later.rows.row_of("coupon:one")
    assert not later.availability.live[four]
    assert INDEX.availability.live[four]
    assert later.channels.kept_from("web")[coupon]
    assert not INDEX.channels.kept_from("web")[coupon]


def test_another_member_makes_another_index() -> None:
    """An offer over other items has other members and lies elsewhere."""
    coupon = structs.replace(INDEX.catalogue.offers["coupon:one"], items=("item4",))
    later = INDEX.update(INDEX.catalogue.apply(2, [coupon]))
    row = later.rows.row_of("coupon:one") or 0
    item = later.rows.row_of_item("item4")
    assert item is not None
    assert later.members.of(row).tolist() == later.members.of(item).tolist() == [item]
    before = INDEX.rows.row_of("coupon:one") or 0
    there, here = before - INDEX.rows.item_count, row - later.rows.item_count
    assert (later.vectors.sets[here] != INDEX.vectors.sets[there]).any()


def test_creatives_and_channels_are_looked_up_by_channel() -> None:
    """A channel is kept from offers of others, and from those that have words for others only."""
    coupon = Offer(id="o", items=("item1",), channels=("app", "web"), creatives={"web": "Hello"})
    index = OfferIndex(INDEX.release, small_catalogue(400).apply(2, [coupon]))
    row = index.rows.row_of("o")
    for channel, kept, without in (
        ("web", False, False),
        ("app", False, True),
        ("email", True, True),
    ):
        assert bool(index.channels.kept_from(channel)[row]) is kept
        assert bool(index.channels.without_creative(channel)[row]) is without
        assert index.channels.kept_from(channel) is index.channels.kept_from(channel)


def test_items_of_the_release_and_of_the_catalogue_are_joined_both_ways() -> None:
    """Each item's row leads to its row in the release and back; a new item has none there."""
    joined, rows = INDEX.release_items, INDEX.rows
    for item_id in ("item0", "item7", "item399"):
        here, there = row_of(rows, item_id), INDEX.release.item_row[item_id]
        assert joined.row_of_item[here] == there
        assert joined.item_of_row[there] == here
    new = row_of(rows, "new")
    assert joined.new_rows.tolist() == [new]
    assert joined.row_of_item[new] == -1
    assert joined.weights[new] == INDEX.release.item_weights.min()
    mask = np.zeros(len(rows), np.bool_)
    mask[[new, row_of(rows, "item7")]] = True
    assert np.flatnonzero(joined.among(mask)).tolist() == [INDEX.release.item_row["item7"]]
