"""The ranker's trees: they look at no signal that the settings leave out."""

import numpy as np
import pytest

from models.errors import BadInput
from models.retrieval import Quotas
from models.signals import signals
from models.trees import read_trees
from tests.test_second_stage import EVENLY, shop
from training.groups import asked_of, make_groups
from training.ranker import RankerSettings, fit_trees
from training.second_stage import retrieval_of
from training.touches import touches_of

pytestmark = pytest.mark.machine


def test_an_unused_signal_decides_nothing() -> None:
    """No split is by a signal that is left out, or not among the only ones; others are refused."""
    log, asked = shop()
    items = sorted(log.items)
    retrieval = retrieval_of(log, ("purchase",), items, touches_of(log, items, 50), 0, None)
    row_of = {item: row for row, item in enumerate(items)}
    groups = make_groups(asked_of(asked, row_of, EVENLY), retrieval, Quotas())
    declared = signals(retrieval.tables.names)
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
