"""Metrics and intervals: known answers, and agreement with an independent implementation."""

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.evaluation.bootstrap import intervals
from training.evaluation.metrics import metric_table

K = 5


@settings(max_examples=60)
@given(st.lists(st.booleans(), min_size=K, max_size=K), st.integers(0, 4))
def test_metrics_agree_with_ir_measures(hits: list[bool], unlisted: int) -> None:
    """NDCG, reciprocal rank and hit rate equal those of ir-measures on the same list."""
    targets = sum(hits) + unlisted
    if targets == 0:
        return
    names, values = metric_table(np.array([hits]), np.array([targets]), (K,))
    found = dict(zip(names, values[0].tolist(), strict=True))
    relevant = {f"d{at}": 1 for at, hit in enumerate(hits) if hit}
    relevant |= {f"u{at}": 1 for at in range(unlisted)}
    run = {"q": {f"d{at}": float(K - at) for at in range(K)}}
    theirs = ir_measures.calc_aggregate(
        [ir_measures.nDCG @ K, ir_measures.RR @ K, ir_measures.Success @ K], {"q": relevant}, run
    )
    assert found[f"ndcg@{K}"] == pytest.approx(theirs[ir_measures.nDCG @ K])
    assert found[f"mrr@{K}"] == pytest.approx(theirs[ir_measures.RR @ K])
    assert found[f"hr@{K}"] == pytest.approx(theirs[ir_measures.Success @ K])
    assert found[f"recall@{K}"] == pytest.approx(sum(hits) / min(K, targets))


def test_an_interval_covers_its_mean_and_repeats() -> None:
    """An interval holds its mean, narrows with cases, and is the same for the same seed."""
    values = np.random.default_rng(0).random((400, 1))
    few, many = intervals(values[:40], 1)[0], intervals(values, 1)[0]
    assert few.low <= few.value <= few.high
    assert many.high - many.low < few.high - few.low
    assert intervals(values, 1) == [many]


def test_an_interval_draws_what_belongs_together() -> None:
    """Cases of somebody are drawn together: copies of a case make its mean no more certain."""
    values = np.random.default_rng(0).random((40, 2))
    copies = np.repeat(values, 5, axis=0)
    whose = np.repeat(np.arange(40), 5)
    assert np.allclose(intervals(copies, 1, of=whose), intervals(values, 1))
    alone = intervals(copies, 1)[0]
    assert alone.high - alone.low < 0.6 * (intervals(values, 1)[0].high - alone.value) * 2
