"""Cases that give figures of noise, or of something else than they say."""

from dataclasses import replace

import pytest

from tests.support.training_logs import log_of
from training.checks.checked_split import CheckedSplit
from training.checks.finding import Finding, run
from training.checks.split_checks import SPLIT_CHECKS
from training.log.event_log import Log
from training.log.order import Bound
from training.splits.cases import Case, Split, Target

MANY = 240


@pytest.fixture(scope="module")
def log() -> Log:
    """Customers who viewed one item, bought another, and then a third."""
    words = [f"vV{at % 30} bB{at % 30} bT{at % 30}" for at in range(MANY)]
    return log_of(*words, sequence=True)


def cases(item: str, before: Bound | None = None, count: int = MANY) -> list[Case]:
    """Return a case for each customer, whose target is the item of this letter."""
    return [Case(at, (Target(f"{item}{at % 30}", ""),), before, None) for at in range(count)]


def told(log: Log, asked: list[Case]) -> dict[str, Finding]:
    """Return what is said of the cases of a truth, by check."""
    return {finding.check: finding for finding in run(SPLIT_CHECKS, CheckedSplit(log, log, asked))}


def test_sound_cases_are_told_nothing_of(log: Log) -> None:
    """Many cases about known customers and items, cut before their targets, are no finding."""
    assert told(log, cases("T", Bound(0, 2))) == {}


def test_few_cases_are_noted_with_how_little_they_tell(log: Log) -> None:
    """Twenty-five cases tell a share of one half to a fifth."""
    found = told(log, cases("T", Bound(0, 2), 25))
    assert set(found) == {"case-few"}
    assert (found["case-few"].count, found["case-few"].severity) == (25, "note")
    assert found["case-few"].example == "a share of 0.50 is known to ± 0.20"


def test_no_cases_are_noted(log: Log) -> None:
    """Where nothing is held out, that is noted and nothing else fails."""
    split = Split(log, (), "nothing held out", None)
    assert [one.count for one in run(SPLIT_CHECKS, CheckedSplit.of(log, split))] == [0]


def test_histories_that_hold_the_answers_are_told(log: Log) -> None:
    """A truth without a moment, on histories that go beyond it, asks for what it shows."""
    found = told(log, cases("T"))
    assert found["case-answered"].count == MANY
    assert "100%" in found["case-answered"].what


def test_targets_that_were_viewed_are_no_discovery(log: Log) -> None:
    """Targets that customers had viewed but not bought are noted as touched, not as answered."""
    found = told(log, cases("V", Bound(0, 2)))
    assert set(found) == {"case-repeated"}
    assert found["case-repeated"].count == MANY
    mixed = [*cases("V", Bound(0, 2))[:120], *cases("T", Bound(0, 2))[120:]]
    assert told(log, mixed) == {}


def test_unknown_customers_are_told(log: Log) -> None:
    """Cases of customers whom the log does not know are told from a twentieth on."""
    asked = cases("T", Bound(0, 2))
    strays = [replace(case, customer=None) for case in asked[:13]]
    found = told(log, [*strays, *asked[13:]])
    assert set(found) == {"case-customer-unknown"}
    assert found["case-customer-unknown"].count == 13
    assert told(log, [*strays[:12], *asked[12:]]) == {}


def test_unknown_targets_are_told(log: Log) -> None:
    """Targets that no item or event knows are told, with one of them."""
    found = told(log, cases("X", Bound(0, 2)))
    assert set(found) == {"case-item-unknown"}
    assert (found["case-item-unknown"].count, found["case-item-unknown"].example) == (MANY, "X0")
