"""What two commits cost beside each other: the judgement on known ratios, and a run of one."""

import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import beside
from bench.beside import Verdict
from bench.checkouts import HERE, checkout_at

RATIOS = st.lists(st.floats(0.5, 2.0), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ([1.0] * 5, Verdict.SAME),
        ([1.03] * 5, Verdict.SAME),
        ([0.9, 1.0, 1.0, 1.0, 1.02], Verdict.SAME),
        ([1.04, 1.05, 1.06, 1.07, 2.0], Verdict.SLOWER),
        ([1.02, 1.05, 1.06, 1.07, 2.0], Verdict.UNSURE),
        ([0.8, 0.9, 0.9, 0.9, 0.96], Verdict.FASTER),
        ([2.0] * 4, Verdict.UNSURE),
        ([0.5] * 3 + [1.1] * 12, Verdict.SLOWER),
        ([0.5] * 4 + [1.1] * 11, Verdict.UNSURE),
        ([0.9] * 12 + [2.0] * 3, Verdict.FASTER),
    ],
)
def test_ratios_are_judged_by_where_their_median_lies(
    ratios: list[float], verdict: Verdict
) -> None:
    """Three outliers of 15 on one side change nothing, four do; fewer than five say nothing."""
    assert beside.judge(ratios) is verdict


@given(RATIOS)
def test_an_interval_holds_the_median(ratios: list[float]) -> None:
    """Its ends are two of the ratios, around the middle, if there are five."""
    low, high = beside.interval(ratios)
    if len(ratios) < 5:
        assert (low, high) == (0.0, math.inf)
    else:
        middle = sorted(ratios)[len(ratios) // 2]
        assert low <= middle <= high
        assert {low, high} <= set(ratios)


@given(RATIOS)
def test_what_costs_more_is_not_judged_better(ratios: list[float]) -> None:
    """Where every round is dearer the verdict is no better."""
    order = [Verdict.FASTER, Verdict.SAME, Verdict.UNSURE, Verdict.SLOWER]
    dearer = beside.judge([ratio * 1.5 for ratio in ratios])
    assert order.index(dearer) >= order.index(beside.judge(ratios))


@pytest.mark.parametrize("rounds", [5, 8, 15, 30])
def test_an_end_is_seldom_wrong(rounds: int) -> None:
    """Each end of the interval is on the wrong side in 5 % of runs at most, outliers or not."""
    chance = random.Random(rounds)
    runs = [
        beside.interval([1.02 * math.exp(chance.gauss(0, 0.05) ** 3) for _ in range(rounds)])
        for _ in range(1_000)
    ]
    assert sum(low > 1.02 for low, _ in runs) / len(runs) < 0.07
    assert sum(high < 1.02 for _, high in runs) / len(runs) < 0.07


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([Verdict.SAME, Verdict.FASTER], 0),
        ([Verdict.SAME, Verdict.UNSURE], 2),
        ([Verdict.UNSURE, Verdict.SLOWER, Verdict.FASTER], 1),
    ],
)
def test_the_worst_decides_the_exit_code(verdicts: list[Verdict], code: int) -> None:
    """What is slower is told before what cannot be said, and that before all else."""
    assert beside.exit_code(verdicts) == code


def test_a_checkout_without_environment_is_refused(tmp_path: Path) -> None:
    """It is said what to do."""
    with pytest.raises(SystemExit, match=r"make \.venv/\.all"):
        checkout_at(tmp_path)


@pytest.mark.prove
@pytest.mark.machine
@pytest.mark.timeout(1800)
def test_a_commit_answers_as_it_does() -> None:
    """Beside itself all answers of a commit are equal, and each round has its figures."""
    found = list(beside.comparisons((HERE, HERE), ["sqlite"], 2, 100, 2_000))
    assert [one.share for one in found] == [0.8, 0.01]
    for one in found:
        assert one.same_offers == one.equal == beside.ANSWERS
        assert len(one.ratios) == 2
        assert all(0.5 < ratio < 2 for ratio in one.ratios)
