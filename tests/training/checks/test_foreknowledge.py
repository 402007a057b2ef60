"""Features and attributes that know what is held out, planted in a simulated retailer."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.events import attributes_event
from tests.support.checked_data import NOW
from training.checks.checked_dataset import CheckedDataset
from training.checks.checked_split import CheckedSplit
from training.checks.concordance import above_median, concordance, strata_of
from training.checks.dataset_checks import DATASET_CHECKS
from training.checks.finding import Finding, run
from training.checks.split_checks import SPLIT_CHECKS
from training.log.dataset import read_dataset
from training.log.event_log import read_log
from training.simulation.retailer import Setting
from training.simulation.simulate import simulate
from training.splits.protocols import split_by_kind, target_types


@pytest.fixture(scope="module")
def retailer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated retailer."""
    directory = tmp_path_factory.mktemp("simulated") / "shop"
    setting = Setting(500, 300, 90, 5, datetime(2026, 3, 1, tzinfo=UTC))
    simulate(directory, setting, lambda done: None)
    return directory


@pytest.fixture(scope="module")
def clean(retailer: Path) -> CheckedSplit:
    """What is held out of its log."""
    log = read_log(retailer)
    return CheckedSplit.of(log, split_by_kind(log, target_types(log), 0))


def told(split: CheckedSplit) -> dict[str, Finding]:
    """Return what the checks say of a split, by name."""
    return {finding.check: finding for finding in run(SPLIT_CHECKS, split)}


def with_feature(split: CheckedSplit, value: Callable[[str], str]) -> CheckedSplit:
    """Return a split whose items have one feature more."""
    items = {
        name: msgspec.structs.replace(item, features={**item.features, "sold": [value(name)]})
        for name, item in split.log.items.items()
    }
    return replace(split, log=replace(split.log, items=items))


def with_attribute(split: CheckedSplit, values: Mapping[int, str]) -> CheckedSplit:
    """Return a split some of whose customers, by place, have one attribute more."""
    customers = list(split.training.customers)
    for at, value in values.items():
        added = attributes_event(customers[at].identifiers[0], {"next": value})
        customers[at] = replace(customers[at], events=(*customers[at].events, added))
    return replace(split, training=replace(split.training, customers=tuple(customers)))


def test_a_simulated_retailer_is_silent(retailer: Path, clean: CheckedSplit) -> None:
    """Neither its tables nor what is held out of them give reason to doubt."""
    read = read_dataset(retailer)
    assert run(DATASET_CHECKS, CheckedDataset(read.metadata, read.tables, NOW)) == []
    assert told(clean) == {}


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_count_of_later_sales_is_told(clean: CheckedSplit, noise: float) -> None:
    """A feature that counts what sells in the test is told, also where it is blurred."""
    random = np.random.default_rng(1)
    sold = Counter(item for _, item in clean.targets)

    def blurred(name: str) -> str:
        return f"{sold[name] * (1 + noise * random.normal()):.2f}"

    found = told(with_feature(clean, blurred))
    assert set(found) == {"feature-foreknows"}
    assert "sold" in found["feature-foreknows"].what


def test_a_flag_of_later_sales_is_told(clean: CheckedSplit) -> None:
    """A feature with two values, one of which only items have that sell in the test, is told."""
    sold = Counter(item for _, item in clean.targets)
    found = told(with_feature(clean, lambda name: "hot" if sold[name] > 8 else "not"))
    assert set(found) == {"feature-foreknows"}


def test_a_count_of_earlier_sales_is_no_foreknowledge(clean: CheckedSplit) -> None:
    """A feature that counts what sold before is legitimate, however well it ranks."""
    before = Counter(item for _, item, _ in clean.target_events)
    assert told(with_feature(clean, lambda name: str(before[name]))) == {}


def test_an_attribute_of_who_buys_next_is_told(clean: CheckedSplit) -> None:
    """An attribute that only those have who buy in the test is told."""
    bought = Counter(at for at, _ in clean.targets)
    active = {at: "won back" for at, count in bought.items() if count > 3}
    found = told(with_attribute(clean, active))
    assert set(found) == {"attribute-foreknows"}
    assert "next" in found["attribute-foreknows"].what


def test_an_attribute_that_is_the_next_item_is_told(clean: CheckedSplit) -> None:
    """An attribute whose value is an item of the test, or a code of it, names the target."""
    bought = Counter(item for _, item in clean.targets)
    # The best known of what each customer buys next.
    items = dict(sorted(clean.targets, key=lambda target: (bought[target[1]], target)))
    for code in ("", "code of "):
        found = told(with_attribute(clean, {at: code + item for at, item in items.items()}))
        assert "attribute-names-target" in found, code
        assert code in found["attribute-names-target"].example


def test_a_favourite_of_the_past_is_no_foreknowledge(clean: CheckedSplit) -> None:
    """An attribute that names what was bought last is known when training, and passes."""
    last = {at: item for at, item, _ in clean.target_events}
    assert told(with_attribute(clean, last)) == {}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=4, max_size=60))
def test_concordance_is_a_share_and_one_for_the_answer(rows: list[tuple[bool, int]]) -> None:
    """It lies in [0, 1]; a number that is larger for each positive puts every pair right."""
    positive = np.array([hit for hit, _ in rows])
    strata = np.array([stratum for _, stratum in rows])
    values = [[f"{hit * 100 + at}"] for at, hit in enumerate(positive)]
    share = concordance(values, positive, strata)
    assert 0 <= share <= 1
    mixed = any(len(set(positive[strata == stratum])) == 2 for stratum in strata)
    if mixed and len(rows) >= 10:
        assert share == 1


def test_chance_is_a_half() -> None:
    """A property that knows nothing, of few values or many, puts half of the pairs right."""
    random = np.random.default_rng(2)
    seen, later = random.poisson(3, 4000), random.poisson(3, 4000)
    strata = strata_of(seen)
    positive = above_median(later, strata)
    for values in (3, 40, 2000):
        named = [[f"v{value}"] for value in random.integers(0, values, 4000)]
        assert abs(concordance(named, positive, strata) - 0.5) < 0.04
