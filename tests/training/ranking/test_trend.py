"""Trend: shares of late, counted before the moment that sees them."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from models.errors import BadDataset
from models.recommender.features_of_item import ITEM_FEATURES, TREND
from models.recommender.sources import Quotas
from tests.support.training_logs import EVENLY, log_of, ordered_over_all
from training.counting.candidate_tables import count_retrieval
from training.counting.interactions import interactions_of
from training.counting.trend import Trend, TrendConfig, with_trend
from training.log.order import Bound
from training.ranking.groups import group_requests, make_groups
from training.splits.cases import Case, Target
from training.splits.eval_cases import eval_cases_of


def test_a_moment_sees_the_newest_count_made_before_it() -> None:
    """The latest events weigh beside all of them, and nothing at or after the moment is counted."""
    log = ordered_over_all("bA " * 400, "vA " * 400 + "bB " * 100)
    trend = Trend(
        log, ["purchase"], ["A", "B"], TrendConfig(shortest=100, middle=200, longest=500, every=100)
    )
    assert trend.at(Bound(0, 0)) == pytest.approx(np.zeros((2, len(TREND))))
    before = trend.at(Bound(0, 499))  # 99 of B came before: the count is that before them
    assert (before[1] <= 0).all()
    after = np.exp(trend.at(None))
    assert after[1] == pytest.approx([1, (100 + 20) / 40, (100 + 20) / 60, 1], abs=0.01)
    assert trend.at(Bound(0, 450)) is trend.at(Bound(0, 401))


def test_what_is_bought_together_counts_once_where_a_basket_does() -> None:
    """An item that always comes with another is worth half a basket of its own."""
    log = ordered_over_all("bA bB " * 100, "bC " * 100)
    pairs = tuple(
        msgspec.structs.replace(event, sequence=place // 2)
        for place, event in enumerate(log.customers[0].events)
    )
    customers = (replace(log.customers[0], events=pairs), log.customers[1])
    told = Trend(replace(log, customers=customers), ["purchase"], ["A", "B", "C"], TrendConfig())
    assert np.exp(told.at(None)[:, 0]) == pytest.approx([0.75, 0.75, 1.5], abs=0.01)


def test_there_is_no_trend_without_an_order_over_the_customers() -> None:
    """Who was last is not to be told from sequences of each customer alone."""
    with pytest.raises(BadDataset, match="no trend"):
        Trend(log_of("bA", sequence=True), ["purchase"], ["A"], TrendConfig())


def test_a_trend_takes_its_places_among_the_facts() -> None:
    """What else is known of an item stays as it was."""
    facts = np.zeros((2, len(ITEM_FEATURES)), np.float32)
    found = with_trend(facts, np.ones((2, len(TREND)), np.float32))
    names = [
        fact.name for fact, value in zip(ITEM_FEATURES, found[1].tolist(), strict=True) if value
    ]
    assert names == [signal.name for signal in TREND]
    assert found.flags.c_contiguous
    assert not facts.any()


def test_a_release_holds_the_last_count() -> None:
    """After everything a moment's features are those of what is counted then; left out, none."""
    log = ordered_over_all("bA vB bC " * 60, "vB bB " * 60)
    items, targets, config = (
        ["A", "B", "C"],
        ("purchase",),
        TrendConfig(shortest=10, middle=20, longest=40),
    )
    touches = interactions_of(log, items, 50)
    found = count_retrieval(log, targets, items, touches, 0, trend=config)
    trend = Trend(log, targets, items, config)
    assert found.item_features[:, -len(TREND) :].tolist() == trend.at(None).tolist()
    case = Case(0, (Target("A", ""),), None, None)
    rows = {item: row for row, item in enumerate(items)}
    served, trained = (
        make_groups(group_requests(eval_cases_of(log, [case]), rows, EVENLY, one), found, Quotas())
        for one in (None, trend)
    )
    assert served.matrix.tolist() == trained.matrix.tolist()
    apart = count_retrieval(log, targets, items, touches, 0, np.array([True, False]), trend=config)
    assert not apart.item_features[:, -len(TREND) :].any()
