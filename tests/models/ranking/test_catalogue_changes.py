"""Changes of a catalogue: however it came about, an index answers as one that is made afresh."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.codec import encode
from models.decision.decide import decide
from models.decision.inputs import SharedInputs
from models.domain import row_map
from models.domain.catalogue import Catalogue, Item, Money, Offer, Row, Stock
from models.domain.decisions import Request
from models.domain.exchange import BARE, Exchange
from models.domain.selectors import OfferHas, Selector
from models.numeric.array_file import map_arrays, nested, part, write_arrays
from models.numeric.array_types import NO_ROWS, Mask
from models.numeric.fixed import to_fixed
from models.policy.eligibility import offers_having
from models.policy.schema import AtMost, Eligibility, Policy
from models.ranking import row_ids
from models.ranking.offer_index import OfferIndex
from models.release.release import Release
from tests.support.decisions import NOW, event, index, profile

TWO_STAGES, ONE_STAGE = index(True).release, index(False).release
KNOWN = [f"item{number}" for number in range(8)]
NEW = [f"{place}{number}" for place in "aj" for number in range(4)]  # before and amid the known
NAMES = ["coupon:a", "coupon:b", "it", "zz"]
PLACES, CHANNELS = ("north", "south"), ("web", "till")
TIMES = (NOW - 20, NOW, NOW + 20)
SELECTORS = (
    Selector(groups=("sale",)),
    Selector(classes=("marketing", "service")),
    Selector(classes=("transactional",)),
    Selector(sensitivities=("health",)),
    Selector(features={"category": ("a",)}),
    Selector(offers=("item:item3", "coupon:a", "item:a1")),
)
HAS = (
    OfferHas(price_at_least=5),
    OfferHas(price_at_most=5),
    OfferHas(value_at_least=1),
    OfferHas(margin_at_least=0.3),
)
EXCHANGES = (Exchange("EUR"), Exchange("EUR", {"USD": 900_000_000}), Exchange(""), BARE)
POLICY = Policy(
    eligibility=(Eligibility(name="cheap", about=SELECTORS[0], when=(HAS[1],)),),
    diversity=(AtMost(feature="category", limit=2),),
)

money = st.none() | st.builds(
    Money, st.sampled_from(["EUR", "EUR", "USD"]), st.integers(-1, 9), st.just(0)
)
moments = st.none() | st.sampled_from(TIMES)
said = {
    "title": st.sampled_from(["", "Tea"]),
    "features": st.fixed_dictionaries(
        {},
        optional={
            "category": st.lists(st.sampled_from("abc"), min_size=1, max_size=2),
            "brand": st.lists(st.sampled_from("xy"), min_size=1, max_size=2),
        },
    ),
    "price": money,
    "value": money,
    "valid_from": moments,
    "valid_until": moments,
    "price_until": moments,
    "stock": st.just(())
    | st.lists(
        st.builds(Stock, st.sampled_from(["", *PLACES]), st.integers(0, 2), st.just(1)), max_size=2
    ).map(tuple),
    "withdrawn": st.sampled_from([False, False, False, True]),
    "offer_class": st.sampled_from(["marketing", "marketing", "service", "transactional"]),
    "sensitivity": st.sampled_from(["", "health"]),
    "groups": st.lists(st.sampled_from(["sale", "new"]), max_size=2, unique=True).map(tuple),
}
items = st.builds(Item, id=st.sampled_from(KNOWN + NEW), **said)
offers = st.builds(
    Offer,
    id=st.sampled_from(NAMES),
    items=st.lists(st.sampled_from(KNOWN + NEW), min_size=1, max_size=3, unique=True).map(tuple),
    channels=st.lists(st.sampled_from(CHANNELS), max_size=1).map(tuple),
    creatives=st.dictionaries(st.sampled_from(CHANNELS), st.just("Hello"), max_size=1),
    volume=st.none() | st.integers(1, 3),
    **said,
)
batches = st.lists(st.lists(items | offers, min_size=1, max_size=6), min_size=1, max_size=8)
PEOPLE = (
    profile(),
    profile(event("view", "item1"), event("purchase", "item3"), event("view", "a1")),
)


def named(found: OfferIndex, mask: Mask) -> set[str]:
    """Return the offers that a mask marks."""
    return set(in_order(found, np.flatnonzero(mask).tolist()))


def in_order(found: OfferIndex, rows: Iterable[int]) -> list[str]:
    """Return the offers of rows, without those that are nobody's any more."""
    return [name for row in rows if found.rows.row_of(name := found.rows.ids[row]) == row]


def answers(found: OfferIndex) -> list[object]:
    """Return what the parts of an index answer, by ids."""
    catalogue, rows = found.catalogue, found.rows
    ids = [*(f"item:{item}" for item in catalogue.item_ids), *catalogue.offer_ids]
    at = {name: rows.row_of(name) for name in ids}
    assert None not in at.values()
    told: list[object] = [ids, catalogue.currencies, catalogue.currency, dict(catalogue.volumes)]
    told.append(sorted(ids, key=lambda name: int(rows.tie_ranks[at[name] or 0])) == sorted(ids))
    for now in (NOW - 30, *TIMES):
        allowed = found.availability.eligible(now)
        known = found.availability.known_to_release(allowed)
        told += [named(found, allowed.mask), allowed.vectors, np.flatnonzero(known).tolist()]
        for point in ([3, 1, 2, 0], [-1, 2, 0, 5]):
            query = to_fixed(np.array(point * 4, np.float32) / np.float32(8)).astype(np.int64)
            nearest = found.vectors.search.nearest(query, 5, allowed, NO_ROWS)
            sets = found.vectors.nearest_sets(query, 2, allowed.mask)
            told += [in_order(found, nearest.tolist()), set(in_order(found, sets.tolist()))]
    told += [named(found, found.availability.stocked_at(place)) for place in ("", *PLACES)]
    for channel in (*CHANNELS, "email"):
        told.append(named(found, found.channels.kept_from(channel)))
        told.append(named(found, found.channels.without_creative(channel)))
    told += [named(found, found.selections.mask(selector)) for selector in SELECTORS]
    told += [named(found, found.selections.select(selector)) for selector in SELECTORS]
    told += [
        named(found, offers_having(found.selections, wanted, exchange))
        for wanted in HAS
        for exchange in EXCHANGES
    ]
    for name in ids:
        row = rows.row_of(name) or 0
        members = found.members.of(row).tolist()
        told.append([found.feature_values.first(row, which) for which in ("category", "brand")])
        told.append([in_order(found, members), found.vectors.fixed[members].tolist()])
        if row >= rows.item_count:
            told.append(found.vectors.sets[row - rows.item_count].tolist())
    for segments in ([0], [0, 1]):
        popular = found.popularity.ranked(segments)
        order = [row for row in popular.order.tolist() if rows.row_of(rows.ids[row]) == row]
        told.append([(rows.ids[row], int(popular.scores[row])) for row in order])
    fits = found.new_items
    if fits is not None:
        both = (rows.row_of_item(item) for item in ("item1", "a1"))
        touched = [one for one in both if one is not None]
        scores = fits.scores(np.array(touched, np.int64), np.ones(len(touched)))
        pairs = zip(fits.rows.tolist(), scores.tolist(), strict=True)
        told.append(
            {rows.ids[row]: score for row, score in pairs if rows.row_of(rows.ids[row]) == row}
        )
    for who in PEOPLE:
        for asked in (Request(channel="web"), Request(channel="till", place="north", count=3)):
            told.append(encode(decide(who, SharedInputs(found, POLICY), asked, NOW)))
    return told


def mapped(release: Release, catalogue: Catalogue, file: Path) -> OfferIndex:
    """Return the index of a catalogue, as another process maps it from a file."""
    packed = catalogue.packed()
    index = OfferIndex(release, packed)
    arrays = [*nested("catalogue", packed.arrays()), *nested("index", index.arrays())]
    write_arrays(file, dict(arrays))
    found = map_arrays(file)
    return OfferIndex.of_arrays(
        part("index", found), release, Catalogue.of_arrays(part("catalogue", found))
    )


@pytest.mark.parametrize("share", [1, 16], ids=["many vacant rows", "few"])
@pytest.mark.parametrize("release", [ONE_STAGE, TWO_STAGES], ids=["one stage", "two stages"])
def test_a_changed_index_answers_as_a_fresh_one(
    release: Release, share: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After any changes, one by one or at once, every part and decision is as made afresh.

    So is an index of packed rows, and one that is mapped from a file. And an index that a request
    holds goes on to answer as it did.
    """
    monkeypatch.setattr(row_ids, "VACANT_SHARE", share)
    monkeypatch.setattr(row_map, "FEW", 8)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(items | offers, max_size=20), batches)
    def holds(first: list[Row], later: list[list[Row]]) -> None:
        base = Catalogue().apply(1, first)
        one_by_one = OfferIndex(release, base)
        at_once = mapped(release, base, tmp_path / "index")
        held = [(one_by_one, answers(one_by_one))]
        for exchange in EXCHANGES:  # by other bounds than are asked for in the end
            offers_having(at_once.selections, OfferHas(price_at_least=2), exchange)
            offers_having(at_once.selections, OfferHas(margin_at_least=2), exchange)
        for revision, batch in enumerate(later, 2):
            for row in batch:
                one_by_one = one_by_one.update(one_by_one.catalogue.apply(revision, [row]))
            at_once = at_once.update(at_once.catalogue.apply(revision, batch))
            if at_once.catalogue.loose:
                at_once = at_once.over(at_once.catalogue.packed())
            held.append((one_by_one, answers(one_by_one)))
        afresh = Catalogue(
            len(later) + 1, dict(at_once.catalogue.items), dict(at_once.catalogue.offers)
        )
        expected = answers(OfferIndex(release, afresh))
        assert held[-1][1] == expected
        assert answers(at_once) == expected
        for earlier, told in held:
            assert answers(earlier) == told

    holds()
