"""Splits: what each protocol holds out, and what it leaves for the history."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from models.clock_time import DAY
from models.errors import BadDataset, BadInput
from tests.support.training_logs import log_of, ordered_over_all
from training.log.event_log import Log
from training.log.order import Bound
from training.ranking.leaks import check_window
from training.splits.eval_cases import eval_cases_of
from training.splits.held_out import SplitConfig, held_out, window_out
from training.splits.protocols import last_item_out, last_share_out

BOUGHT = frozenset({"purchase"})
NOON = 1_512_129_600_000_000  # 2017-12-01 12:00 UTC


def test_the_last_share_is_cut_in_the_order_over_all_customers() -> None:
    """The last moments are cases, each with everything before it; training sees none of them."""
    log = ordered_over_all("bA vB bC", "vA vA vA bD vA bE")
    parts = last_share_out(log, BOUGHT, 0.5)
    assert parts.window == (3, 6)
    told = [(case.customer, case.targets[0].item, case.before) for case in parts.cases]
    assert told == [(1, "D", Bound(0, 3)), (1, "E", Bound(0, 5))]
    assert [len(customer.events) for customer in parts.training.customers] == [3, 3]
    asked = eval_cases_of(log, parts.cases)
    assert [question.interaction_count for question in asked] == [3, 5]
    check_window(parts.training, asked, BOUGHT)


def test_a_last_share_needs_an_order_over_the_customers(tmp_path: Path) -> None:
    """Sequences of each customer alone say nothing about who was last."""
    log = log_of("bA vB bC", sequence=True)
    with pytest.raises(BadDataset, match="no order over the customers"):
        held_out(tmp_path, log, ("purchase",), SplitConfig(protocol="last share"), 0)
    config = SplitConfig(protocol="last share", share=0.5)
    assert len(window_out(ordered_over_all("bA bC"), ("purchase",), config, 0).cases) == 1


def test_the_last_item_leaves_what_was_bought_with_it(tmp_path: Path) -> None:
    """One item of the last moment is held out, drawn by the seed; the rest of it is known."""
    log = log_of("vA bA vB bB vC", "bA", sequence=True)
    customers = list(log.customers)
    first = customers[0]
    together = [
        msgspec.structs.replace(event, sequence=3) if event.sequence == 1 else event
        for event in first.events
    ]
    customers[0] = replace(first, events=tuple(together))
    log = replace(log, customers=tuple(customers))
    held = {last_item_out(log, BOUGHT, seed).cases[0].targets[0].item for seed in range(20)}
    assert held == {"A", "B"}
    parts = held_out(tmp_path, log, ("purchase",), SplitConfig(protocol="last item", pair=True), 1)
    (case,) = parts.cases
    left = {event.item for event in parts.training.customers[0].events}
    assert left == {"A", "B"} - {case.targets[0].item}  # C was viewed after the moment
    assert len(parts.training.customers[1].events) == 1
    check_window(parts.training, eval_cases_of(parts.training, parts.cases), BOUGHT)


def timed_log(apart: int) -> Log:
    """Return a log of ten customers who bought three items, so many days apart."""
    log = log_of(*["bA bB bC"] * 10)
    customers = tuple(
        replace(
            customer,
            events=tuple(
                msgspec.structs.replace(event, time=NOON + place * apart * DAY)
                for place, event in enumerate(customer.events)
            ),
        )
        for customer in log.customers
    )
    metadata = msgspec.structs.replace(log.metadata, kind="timed")
    return replace(log, customers=customers, metadata=metadata)


def test_a_log_of_one_moment_is_told(tmp_path: Path) -> None:
    """Where all is of one moment nothing is left to learn from, which is said in so many words."""
    with pytest.raises(BadDataset, match=r"no event is left to learn from: the last 0\.0 days"):
        held_out(tmp_path, timed_log(0), ("purchase",), SplitConfig(), 0)


@pytest.mark.parametrize("days", [5, 3_660])
def test_a_test_that_is_the_whole_log_is_told(tmp_path: Path, days: int) -> None:
    """A window as long as the log is refused by the name of the setting and the log's length."""
    log = timed_log(1)
    assert held_out(tmp_path, log, ("purchase",), SplitConfig(test_days=1), 0).cases
    with pytest.raises(BadInput, match=rf"^split\.test_days: the last {days} days are all 2\.0"):
        held_out(tmp_path, log, ("purchase",), SplitConfig(test_days=days), 0)
