"""Trend: shares of late, counted before the moment that sees them."""

import numpy as np
import pytest

from models.errors import BadDataset
from models.segments import Shares, segment_popularity
from tests.test_second_stage import log_of
from tests.test_splits import ordered_over_all
from training.splits import Bound
from training.trend import Trend, TrendConfig, with_trend


def test_a_moment_sees_the_newest_count_made_before_it() -> None:
    """The latest events weigh beside all of them, and nothing at or after the moment is counted."""
    log = ordered_over_all("bA " * 400, "vA " * 400 + "bB " * 100)
    trend = Trend(log, ["purchase"], ["A", "B"], TrendConfig(latest=100, every=100))
    assert np.exp(trend.at(Bound(0, 0))).tolist() == pytest.approx([0.5, 0.5])
    before = np.exp(trend.at(Bound(0, 499)))  # 99 of B came before: the count is that before them
    assert before[1] < 0.01
    after = np.exp(trend.at(None))
    assert after[1] == pytest.approx((100 + 200 * 0.2) / 300, abs=0.001)
    assert trend.at(Bound(0, 450)) is trend.at(Bound(0, 401))


def test_there_is_no_trend_without_an_order_over_the_customers() -> None:
    """Who was last is not to be told from sequences of each customer alone."""
    with pytest.raises(BadDataset, match="no trend"):
        Trend(log_of("bA", sequence=True), ["purchase"], ["A"], TrendConfig())


def test_segments_stay_as_far_from_everybody_under_a_trend() -> None:
    """A trend moves every share alike, in the table and for one question."""
    shares = Shares({"": 0, "bought:A": 1}, np.log(np.array([[0.5, 0.5], [0.2, 0.8]], np.float32)))
    lately = np.log(np.array([0.9, 0.1], np.float32))
    rows = np.array([1, 0])
    asked = segment_popularity(shares, ["bought:A"], rows, lately)
    held = segment_popularity(with_trend(shares, lately), ["bought:A"], rows)
    assert asked.tolist() == pytest.approx(held.tolist(), abs=1e-6)
    assert np.exp(asked).tolist() == pytest.approx([0.16, 0.36])
