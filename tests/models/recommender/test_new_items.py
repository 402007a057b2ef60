"""New items are judged by features: how these sell, and how much a customer turns to them."""

import math

import numpy as np
import pytest

from models.recommender.new_items import FEW, SHRINK, NewItems

FEATURES: tuple[dict[str, list[str]], ...] = (
    {"kind": ["tea"], "maker": ["a"]},  # bought by 30
    {"kind": ["tea"], "maker": ["b"]},  # bought by 10
    {"kind": ["soap"], "maker": ["a"]},  # bought by nobody
    {"kind": ["tea"], "maker": ["a"]},  # new
    {"kind": ["soap"], "maker": ["b"]},  # new
    {},  # new
)
BUYERS = np.array([30.0, 10.0, 0.0, 0.0, 0.0, 0.0])
NEW = np.array([3, 4, 5])


def scores(*touched: int) -> list[float]:
    """Return the scores of the new items for who touched these items once each."""
    model = NewItems(FEATURES, BUYERS, NEW)
    found: list[float] = model.scores(np.array(touched, np.int64), np.ones(len(touched))).tolist()
    return found


def test_what_sells_has_features_that_sell() -> None:
    """Without a past, an item whose features are on more items that are bought stands higher."""
    tea, soap, nothing = scores()
    assert tea > nothing > soap
    mean = (math.sqrt(30) + math.sqrt(10)) / 6
    sums = [
        math.sqrt(30) + math.sqrt(10),
        math.sqrt(30),
    ]  # of tea, and of maker a, three items each
    rates = [(total / mean + FEW) / (3 + FEW) for total in sums]
    assert tea == pytest.approx(2 * sum(map(math.log, rates)), abs=1e-4)
    assert nothing == 0


def test_what_a_customer_turns_to_counts() -> None:
    """Who touched an item is led to its features by how much more than everybody, shrunk."""
    before, after = scores(), scores(1)
    assert after[1] > before[1]
    assert after[0] < before[0]
    lifts = [(1 + SHRINK * 1.0) / ((1 + SHRINK) * 1.0), (0 + SHRINK * 0.75) / ((1 + SHRINK) * 0.75)]
    assert after[0] - before[0] == pytest.approx(sum(map(math.log, lifts)), abs=1e-6)
    assert after[2] == 0


def test_where_nothing_was_bought_no_feature_sells_better() -> None:
    """Without any buyer all new items stand alike for a customer without a past."""
    model = NewItems(FEATURES, np.zeros(6), NEW)
    assert model.scores(np.empty(0, np.int64), np.empty(0)) == pytest.approx([0, 0, 0])
