"""The ranker's trees: what they look at, and how much a group counts."""

import lightgbm
import numpy as np
import pytest

from models.errors import BadInput
from models.recommender.feature_group import Feature
from models.recommender.ranker_features import ranker_features
from models.recommender.sources import Quotas
from models.recommender.trees import read_trees
from tests.support.training_logs import EVENLY, shop
from training.counting.candidate_tables import count_retrieval
from training.counting.interactions import interactions_of
from training.ranking.fit_trees import RankerSettings, average_ensembles, fit_trees
from training.ranking.groups import CandidateGroups, group_requests, make_groups

pytestmark = pytest.mark.machine


def candidates() -> tuple[CandidateGroups, tuple[Feature, ...]]:
    """Return the candidates of every question about a small shop, and their signals."""
    log, asked = shop()
    items = sorted(log.items)
    retrieval = count_retrieval(log, ("purchase",), items, interactions_of(log, items, 50), 0, None)
    row_of = {item: row for row, item in enumerate(items)}
    groups = make_groups(group_requests(asked, row_of, EVENLY), retrieval, Quotas())
    return groups, ranker_features(retrieval.tables.names)


def test_an_unused_signal_decides_nothing() -> None:
    """No split is by a signal that is left out, or not among the only ones; others are refused."""
    groups, declared = candidates()
    parts = [(groups, np.arange(len(groups)))]

    def used(*unused: str) -> set[str]:
        settings = RankerSettings(trees=20, leaves=7, least_rows=5, unused=unused)
        trees = read_trees(fit_trees(parts, declared, settings, 0))
        return {declared[column].name for column in trees.column.tolist()}

    gone = next(iter(used()))
    assert gone not in used(gone)
    with pytest.raises(BadInput, match=r"ranker\.unused: no such signal: luck"):
        used("luck")
    only = RankerSettings(trees=20, leaves=7, least_rows=5, used=(gone,), column_share=1.0)
    trees = read_trees(fit_trees(parts, declared, only, 0))
    assert {declared[column].name for column in trees.column.tolist()} == {gone}
    with pytest.raises(BadInput, match=r"ranker\.used: no such signal: luck"):
        fit_trees(parts, declared, RankerSettings(used=("luck",)), 0)


def test_the_scores_of_bags_are_averaged() -> None:
    """Bags are the mean of ensembles that differ, the first as if alone, and LightGBM agrees."""
    groups, declared = candidates()

    def fitted(bags: int) -> str:
        settings = RankerSettings(bags=bags, trees=12, leaves=7, least_rows=5, negatives=3)
        return fit_trees([(groups, np.arange(len(groups)))], declared, settings, 4)

    one, three = fitted(1), fitted(3)
    assert three == fitted(3)
    assert read_trees(three).count == 36
    scores = read_trees(three).score(groups.matrix)
    booster = lightgbm.Booster(model_str=three)
    assert booster.num_trees() == 36
    assert booster.predict(groups.matrix, raw_score=True) == pytest.approx(scores)
    alone = read_trees(one).score(groups.matrix)
    others = (3 * scores - alone) / 2
    assert np.abs(others - alone).max() > 0.01
    assert read_trees(average_ensembles([one, one])).score(groups.matrix) == pytest.approx(alone)
    assert average_ensembles([one]) == one


def test_by_group_a_basket_counts_once() -> None:
    """An item bought alone passes two that more customers buy, but always together."""
    declared = ranker_features(("any>any",))
    together, alone = 60, 50
    count = together + alone
    matrix = np.zeros((3 * count, len(declared)), np.float32)
    matrix[:, -1] = np.tile([0, 1, 2], count)
    groups = CandidateGroups(
        starts=np.arange(count + 1) * 3,
        rows=np.tile(np.arange(3), count),
        sources=np.ones(3 * count, np.int64),
        matrix=matrix,
        hit=np.array([True, True, False] * together + [False, False, True] * alone),
        cases=np.arange(count),
        targets=np.array([2] * together + [1] * alone),
    )

    def last(by_group: bool) -> bool:
        settings = RankerSettings(trees=20, leaves=3, least_rows=5, by_group=by_group)
        text = fit_trees([(groups, np.arange(count))], declared, settings, 0)
        scores = read_trees(text).score(matrix[:3])
        return bool(scores[2] > scores[:2].max())

    assert not last(by_group=False)
    assert last(by_group=True)
