"""Search: what is found equals brute force, under every filter, and nearly so where quantised."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import models.recommender.vector_search
from models.numeric.array_types import NO_ROWS
from models.numeric.fixed import dot, to_fixed
from models.recommender.vector_search import Levels, VectorSearch, allow

DIMENSIONS = 16
ITEMS, OTHERS = 400, 3


def make(items: int, seed: int = 0) -> tuple[NDArray[np.int32], VectorSearch]:
    """Return random vectors in fixed point, and a search in them."""
    vectors = np.random.default_rng(seed).normal(0, 0.4, (items, DIMENSIONS)).astype(np.float32)
    fixed = to_fixed(vectors)
    return fixed, VectorSearch(Levels(vectors), vectors, fixed, np.arange(items))


def query(seed: int) -> NDArray[np.int64]:
    """Return a random query in fixed point."""
    point = np.random.default_rng([seed, 1]).normal(size=DIMENSIONS).astype(np.float32)
    return to_fixed(point).astype(np.int64)


FIXED, SEARCH = make(ITEMS)


@settings(max_examples=80)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(1, 120), st.integers(0, 30))
def test_search_equals_brute_force(seed: int, share: float, most: int, shut: int) -> None:
    """Whatever is allowed and closed, the rows found are the best of the rest, best first."""
    random = np.random.default_rng(seed)
    mask = random.random(ITEMS + OTHERS) < share
    closed = np.sort(random.choice(ITEMS, shut, replace=False))
    point = query(seed)
    found = SEARCH.nearest(point, most, allow(mask, ITEMS, ITEMS), closed)
    rows = np.setdiff1d(np.flatnonzero(mask[:ITEMS]), closed)
    scores = dot(FIXED, rows, point)
    best = rows[np.lexsort((rows, -scores))][:most]
    assert len(set(found.tolist())) == len(found)
    assert found.tolist() == best.tolist()


@pytest.fixture
def quantised(monkeypatch: pytest.MonkeyPatch) -> tuple[NDArray[np.int32], VectorSearch]:
    """Return 3,000 vectors held in 4 bits a dimension."""
    monkeypatch.setattr(models.recommender.vector_search, "EXACT_UP_TO", 0)
    return make(3_000)


@pytest.mark.parametrize("share", [1.0, 0.8, 0.3, 0.1, 0.01])
def test_large_catalogues_keep_their_recall(
    quantised: tuple[NDArray[np.int32], VectorSearch], share: float
) -> None:
    """In 4 bits a dimension the best 100 are found with a recall of .95 under every filter."""
    fixed, search = quantised
    mask = np.random.default_rng(5).random(len(fixed)) < share
    rows = np.flatnonzero(mask)
    most = min(100, len(rows))
    hits = 0
    for seed in range(20):
        point = query(seed)
        found = search.nearest(
            point, most, allow(mask, len(fixed), len(fixed)), np.empty(0, np.int64)
        )
        assert mask[found].all()
        scores = dot(fixed, rows, point)
        hits += len(np.intersect1d(rows[np.argsort(-scores)[:most]], found))
    assert hits / (20 * most) >= 0.95


def test_a_filter_that_leaves_out_the_nearest_is_looked_past(
    quantised: tuple[NDArray[np.int32], VectorSearch],
) -> None:
    """Where just the nearest rows are not allowed, search goes on until it has what is wanted."""
    fixed, search = quantised
    point = query(1)
    scores = dot(fixed, np.arange(len(fixed)), point)
    mask = scores < np.quantile(scores, 0.4)
    found = search.nearest(point, 100, allow(mask, len(fixed), len(fixed)), NO_ROWS)
    wanted = np.flatnonzero(mask)[np.argsort(-scores[mask])[:100]]
    assert len(found) == 100
    assert len(np.intersect1d(found, wanted)) >= 95


@pytest.mark.parametrize("exact", [True, False])
def test_vectors_that_come_later_are_found_as_if_they_had_been_there(
    exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However vectors came, many of them equal, the same ones are found in the same order."""
    bound = 10_000 if exact else 0
    monkeypatch.setattr(models.recommender.vector_search, "EXACT_UP_TO", bound)
    random = np.random.default_rng(3)
    vectors = random.normal(0, 0.4, (3_000, DIMENSIONS)).astype(np.float32)
    vectors[random.integers(0, 3_000, 900)] = vectors[7]
    levels = Levels(vectors[:2_000])
    ranks = random.permutation(len(vectors))
    gone = np.sort(random.choice(2_500, 200, replace=False))
    fixed = to_fixed(vectors)
    search = VectorSearch(levels, vectors[:2_400], fixed, ranks)
    for start in range(2_400, 3_000, 50):
        rows = np.arange(start, start + 50)
        at_once = gone if start == 2_950 else NO_ROWS
        later = search.updated(rows, vectors[rows], at_once, ranks)
        assert later is not None
        search = later
    order = random.permutation(np.setdiff1d(np.arange(3_000), gone))
    afresh = VectorSearch(levels, vectors[order], fixed[order], ranks[order])
    for seed in range(40):
        mask = random.random(3_000) < 0.7
        mask[gone] = False
        closed = np.sort(random.choice(order, 20, replace=False))
        there = np.flatnonzero(np.isin(order, closed))
        point = vectors[7].astype(np.int64) if seed == 0 else query(seed)
        found = search.nearest(point, 60, allow(mask, 3_000, len(order)), closed)
        here = afresh.nearest(point, 60, allow(mask[order], len(order), len(order)), there)
        assert found.tolist() == order[here].tolist()
