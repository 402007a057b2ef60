"""Opponents are chosen on the window before the test, and the one that judges is named there."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.events import Event
from tests.support.training_logs import QUICK, log_of, shop
from training.evaluation.metrics import ndcg
from training.log.event_log import read_log
from training.opponents.choice import Wanted, Window, ndcg_of
from training.opponents.opponents import FAMILIES, families_of, make_opponents
from training.progress import no_steps
from training.run.pipeline import train_pipeline
from training.run.windows import window_before
from training.simulation.retailer import Setting
from training.simulation.simulate import simulate
from training.splits.cases import no_inspection
from training.splits.eval_cases import discovery_cases
from training.splits.protocols import split_by_kind

SCORES = st.lists(st.integers(0, 3), min_size=6, max_size=30)


@given(SCORES, st.data())
def test_a_case_counts_as_in_the_report(scores: list[int], data: st.DataObject) -> None:
    """Settings are chosen by the NDCG@10 of the list, ties in the order of a permutation."""
    items = len(scores)
    rows = data.draw(st.sets(st.integers(0, items - 1), min_size=1, max_size=5))
    masked = data.draw(st.sets(st.integers(0, items - 1), max_size=3))
    unknown = data.draw(st.integers(0, 3))
    order = np.array(data.draw(st.permutations(range(items))))
    values = np.array(scores, float)
    listed = [at for at in range(items) if at not in masked]
    listed.sort(key=lambda at: (-values[at], order[at]))
    hits = np.array([[at in rows for at in listed[:10]] + [False] * (10 - len(listed[:10]))])
    expected = ndcg(hits, np.array([len(rows) + unknown]), 10)[0]
    wanted = Wanted(np.array(sorted(rows)), len(rows) + unknown, np.array(sorted(masked), np.int64))
    assert ndcg_of(values, wanted, order) == pytest.approx(expected)


@pytest.fixture(scope="module")
def retailer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated retailer."""
    directory = tmp_path_factory.mktemp("retailer") / "shop"
    simulate(
        directory, Setting(80, 40, 100, 5, datetime(2026, 3, 1, tzinfo=UTC)), lambda done: None
    )
    return directory


@pytest.mark.machine
def test_nothing_of_the_test_reaches_the_choice(retailer: Path) -> None:
    """Whatever is bought in the test window, the same settings are chosen and the same judges."""
    log = read_log(retailer)
    split = split_by_kind(log, ("purchase",), 0)
    assert split.window is not None
    start = split.window[0]
    items = sorted(log.items)

    def other(event: Event) -> Event:
        late = event.item and event.time is not None and event.time >= start
        return msgspec.structs.replace(event, item=items[0]) if late else event

    customers = tuple(
        replace(customer, events=tuple(map(other, customer.events))) for customer in log.customers
    )
    found = [
        train_pipeline(retailer, one, QUICK, None, "quick", no_steps, no_inspection)
        for one in (log, replace(log, customers=customers))
    ]
    first, second = (pipeline.opponents for pipeline in found)
    assert first.choices == second.choices
    assert set(first.choices) == {"default", "discovery"}
    for intent in first.choices:
        judge = first.judge(intent)
        assert judge is not None
        assert judge.before == max(choice.before for choice in first.chosen(intent).values())
    # The cases themselves did change.
    by = [pipeline.measured["default"][0].metrics["ndcg@10"] for pipeline in found]
    assert by[0] != by[1]


@pytest.mark.machine
def test_undated_logs_are_chosen_on_hidden_items() -> None:
    """Where nothing has a time one item more is hidden of each customer, and no decay is tried."""
    log = log_of(*["bA bB bC vD", "bB bC bD vA", "bC bD bA", "vB bD bA bB"] * 10)
    split = split_by_kind(log, ("purchase",), 0)
    window = window_before(Path(), split, [], ("purchase",), QUICK)
    assert window is not None
    held = {(case.case.customer, t.item) for case in window.eval_cases for t in case.case.targets}
    tested = {(case.customer, t.item) for case in split.cases for t in case.targets}
    assert held
    assert not held & tested
    items = sorted(log.items)
    made = make_opponents(
        split.training, window, ("purchase",), items, FAMILIES, QUICK.stage_one, 0, no_steps
    )
    assert not [c for c in made.chosen("default").values() if "half-life 3" in c.settings]
    assert "recent popularity" not in made.chosen("default")
    assert made.chosen("discovery")["item-kNN"].cases == len(discovery_cases(window.eval_cases))


@pytest.mark.machine
def test_without_a_window_none_judges() -> None:
    """Where nothing can be held out once more each has its first settings, and none judges."""
    log, cases = shop(40)
    made = make_opponents(
        log,
        None,
        ("purchase",),
        sorted(log.items),
        families_of("quick"),
        QUICK.stage_one,
        0,
        no_steps,
    )
    assert made.judge("default") is None
    assert {choice.tried for choice in made.chosen("default").values()} == {0}
    assert made.lists("default", cases, 5, no_steps)["popularity"].shape == (40, 5)
    empty = make_opponents(
        log, Window(log, []), ("purchase",), sorted(log.items), [], QUICK.stage_one, 0, no_steps
    )
    assert empty.lists("default", cases, 5, no_steps) == {}
    assert {family.name for family in families_of("all")} - {
        family.name for family in families_of("quick")
    } == {"EASE", "LightFM by customer"}
