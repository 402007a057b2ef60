"""The index: what FAISS finds equals brute force, under every filter."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models.index
from models.catalogue import Catalogue, Item, Offer
from models.index import OfferIndex
from tests.small import DIMENSIONS, small_catalogue, small_release


def make(items: int = 400) -> OfferIndex:
    """Return an index over `items` items and the three explicit offers."""
    release = small_release(Path(tempfile.mkdtemp()), items)
    return OfferIndex(release, small_catalogue(items))


INDEX = make()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(1, 120))
def test_search_equals_brute_force(seed: int, share: float, most: int) -> None:
    """Whatever share is allowed, the rows found are the best allowed ones, best first."""
    generator = np.random.default_rng(seed)
    query = generator.normal(size=DIMENSIONS).astype(np.float32)
    allowed = generator.random(INDEX.item_count + len(INDEX.set_ids)) < share
    found = INDEX.search(query, most, allowed)
    rows = np.flatnonzero(allowed[: INDEX.item_count])
    scores = INDEX.vectors[rows] @ query
    best = np.sort(scores)[::-1][:most]
    assert len(found) == min(most, len(rows))
    assert allowed[found].all()
    assert len(set(found.tolist())) == len(found)
    np.testing.assert_allclose(INDEX.vectors[found] @ query, best, atol=1e-5)


def test_large_catalogues_keep_their_recall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held as bfloat16, the index still finds at least .98 of the true 200 best."""
    monkeypatch.setattr(models.index, "EXACT_UP_TO", 0)
    index = make(3000)
    generator = np.random.default_rng(3)
    allowed = np.ones(index.item_count + len(index.set_ids), np.bool_)
    hits = 0
    for _ in range(20):
        query = generator.normal(size=DIMENSIONS).astype(np.float32)
        truth = np.argsort(-(index.vectors @ query))[:200]
        hits += len(np.intersect1d(truth, index.search(query, 200, allowed)))
    assert hits / 4000 >= 0.98


def test_a_set_lies_at_the_weighted_mean_of_its_items() -> None:
    """The vector of an offer over a set is the popularity-weighted mean of its members'."""
    members = INDEX.members_of(INDEX.row_of("coupon:many") or 0)
    rows = INDEX.release_row[members]
    weights = INDEX.release.item_weights[rows]
    mean = (weights[:, None] * INDEX.release.vectors[rows]).sum(axis=0) / weights.sum()
    np.testing.assert_allclose(INDEX.set_vectors[INDEX.set_row["coupon:many"]], mean, rtol=1e-4)


def test_a_large_set_is_judged_by_its_most_popular_items() -> None:
    """Of an offer over more than 64 items the 64 most popular members count."""
    items = [f"item{number}" for number in range(200)]
    catalogue = small_catalogue(400).apply(2, [Offer(id="large", items=tuple(items))])
    index = OfferIndex(INDEX.release, catalogue)
    members = index.members_of(index.row_of("large") or 0)
    assert len(members) == 64
    weights = INDEX.release.item_weights
    chosen = {INDEX.release.items[row] for row in index.release_row[members]}
    least = min(weights[INDEX.release.item_row[item]] for item in chosen)
    assert all(weights[INDEX.release.item_row[item]] <= least for item in set(items) - chosen)


def test_new_items_stand_by_their_features_and_unknown_ones_last() -> None:
    """An item not learnt gets its features' vector; one without features the least bias of all."""
    rows = [Item(id="a", features={"category": ["a"]}), Item(id="b", features={"shape": ["?"]})]
    index = OfferIndex(INDEX.release, Catalogue().apply(1, rows))
    np.testing.assert_array_equal(index.vectors[0], INDEX.release.feature_vectors[0])
    assert index.vectors[1, -1] == INDEX.release.vectors[:, -1].min()
    assert not index.vectors[1, :-1].any()


def test_validity_is_exact() -> None:
    """An offer is eligible from its first moment up to, and not at, its last."""
    offer = Offer(id="o", items=("item1",), valid_from=100, valid_until=200)
    index = OfferIndex(INDEX.release, small_catalogue(400).apply(2, [offer]))
    row = index.row_of("o")
    assert [bool(index.eligible(now)[row]) for now in (99, 100, 199, 200)] == [
        False,
        True,
        True,
        False,
    ]
