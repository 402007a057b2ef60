"""Quality against cost: rankers of several sizes on the same candidates and folds."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import sizes
from models.errors import BadDataset
from tests.support.training_logs import shop
from training.ranking.fit_trees import RankerSettings
from training.ranking.settings import IntentConfig
from training.run.config import TrainConfig
from training.simulation.retailer import Setting
from training.simulation.simulate import simulate

SIZES = ((1, 1, 2), (1, 20, 15), (3, 20, 15))


def test_more_trees_rank_better_where_there_is_something_to_learn() -> None:
    """Each size has its own figures, on the same cases: a stump is behind, and costs something."""
    log, asked = shop()
    config = TrainConfig(default=IntentConfig(ranker=RankerSettings(least_rows=5)), folds=3)
    found = sizes.compare(log, asked, ("purchase",), config, SIZES)
    assert [(size.bags, size.trees, size.leaves) for size in found] == list(SIZES)
    stump, forest, forests = found
    assert forest.ndcg.low > stump.ndcg.value
    assert forest.recall.value >= stump.recall.value
    assert stump.microseconds > 0
    assert forests.microseconds > 1.5 * forest.microseconds


def test_cases_of_a_last_window_are_refused(tmp_path: Path) -> None:
    """Data whose cases are cut by time is refused with a reason: no folds measure it."""
    end = datetime(2026, 3, 1, tzinfo=UTC)
    simulate(tmp_path / "shop", Setting(10, 20, 40, 1, end), lambda done: None)
    with pytest.raises(BadDataset, match="one moment a customer"):
        sizes.cases_of(tmp_path / "shop", TrainConfig(), 1.0)
