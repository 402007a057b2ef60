"""Training end to end on a small simulated retailer, and evaluation of what it wrote."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl
import pytest

from models.errors import BadDataset, Held
from models.recommender.ranker import RANKED
from models.release.golden import check_golden
from models.release.loader import load_release, read_golden
from models.release.promotion import override_needed
from models.release.registry import Registry
from tests.support.training_logs import QUICK
from training.evaluation.evaluate_release import as_json, evaluate_release
from training.evaluation.incumbent import IN_FORCE
from training.log.event_log import read_log
from training.ranking.fit_trees import RankerSettings
from training.ranking.settings import IntentConfig
from training.simulation.retailer import Setting
from training.simulation.simulate import simulate
from training.splits.cases import Case, Target
from training.splits.truth import read_truth
from training.train import train

pytestmark = pytest.mark.machine


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small simulated dataset."""
    directory = tmp_path_factory.mktemp("shop") / "data"
    simulate(directory, Setting(60, 40, 60, 1, datetime(2026, 3, 1, tzinfo=UTC)), lambda done: None)
    return directory


def test_same_data_and_seed_give_the_same_release(shop: Path, tmp_path: Path) -> None:
    """Two runs on the same data under one seed write one id, another seed another."""
    ids = [train(shop, tmp_path / str(run), QUICK, "none").release for run in range(2)]
    assert ids[0] == ids[1]
    other = msgspec.structs.replace(QUICK, seed=5)
    assert train(shop, tmp_path / "2", other, "none").release != ids[0]


def test_a_release_is_entered_loads_and_answers_its_golden_requests(
    shop: Path, tmp_path: Path
) -> None:
    """What training writes is verified, answers its golden requests, and decides nothing yet."""
    trained = train(shop, tmp_path, QUICK, "all")
    registry = Registry(tmp_path)
    assert [entry.release for entry in registry.entries()] == [trained.release]
    assert not registry.pointer().release
    release = load_release(trained.directory)
    golden = read_golden(trained.directory)
    assert len(golden) > 1
    for request in golden:
        check_golden(release, request)
    assert release.manifest.simulated
    assert release.second_stage is not None
    for intent in RANKED:
        rankers = {found.ranker for found in trained.pipeline.measured[intent]}
        assert {"release", "stage one alone", "popularity", "own counts", "item-kNN"} <= rankers
        assert {"LightFM by customer", "EASE"} <= rankers
        assert any(metric.intent == intent for metric in release.manifest.metrics)


def test_no_identifier_is_in_a_release(shop: Path, tmp_path: Path) -> None:
    """No file of a release holds the value of any customer's identifier."""
    trained = train(shop, tmp_path, QUICK, "none")
    identifiers = pl.read_parquet(shop / "events.parquet")["identifier"].unique().to_list()
    # Shorter ones could stand there by chance, in a digest or in the bytes of an array.
    values = [value for value in identifiers if len(value) >= 8]
    written = b"".join(path.read_bytes() for path in sorted(trained.directory.iterdir()))
    assert values
    assert not [value for value in values if value.encode() in written]


def test_evaluation_counts_as_it_says(shop: Path, tmp_path: Path) -> None:
    """Unknown targets are misses, unknown customers are cold, and masked items are not listed."""
    release = load_release(train(shop, tmp_path, QUICK, "none").directory)
    log = read_log(shop)
    events = pl.read_parquet(shop / "events.parquet").filter(pl.col("type") == "purchase")
    first = events.row(0, named=True)
    known = f"{first['namespace']}:{first['identifier']}"
    truth = tmp_path / "truth.parquet"
    pl.DataFrame(
        {
            "customer": [known, known, "cookie:nobody", "cookie:nobody"],
            "item": [first["item"], first["item"], release.items[0], "no-such-item"],
        }
    ).write_parquet(truth)
    cases = read_truth(truth, log, None)
    assert [len(case.targets) for case in cases] == [1, 2]
    ks = (len(release.items),)
    figures = as_json(evaluate_release(release, cases, log, (), ks))
    assert figures["n"] == 2
    name = f"recall@{ks[0]}"
    assert figures["metrics"][name]["value"] == pytest.approx((1 + 1 / 2) / 2)  # type: ignore[index]
    slices = figures["slices"]
    assert isinstance(slices, dict)
    assert slices["cold"]["n"] == 1
    assert slices["targets known to the release"]["metrics"][name]["value"] == 1.0
    masked = as_json(evaluate_release(release, cases[:1], log, ("purchase",), ks))
    assert masked["metrics"][name]["value"] == 0.0  # type: ignore[index]


def test_discovery_is_evaluated_among_what_was_never_touched(shop: Path, tmp_path: Path) -> None:
    """Under discovery only untouched targets are right, and nothing that was touched is listed."""
    release = load_release(train(shop, tmp_path, QUICK, "none").directory)
    log = read_log(shop)
    at = max(range(len(log.customers)), key=lambda at: len(log.customers[at].events))
    touched = {event.item for event in log.customers[at].events if event.item}
    new = [item for item in release.items if item not in touched]
    both = Case(at, (Target(min(touched), ""), Target(new[0], "")), None, None)
    again = Case(at, (Target(min(touched), ""),), None, None)
    ks = (len(new),)
    found = {
        intent: as_json(evaluate_release(release, [both, again], log, (), ks, intent=intent))
        for intent in RANKED
    }
    assert found["default"]["n"] == 2
    assert found["discovery"]["n"] == 1
    assert found["discovery"]["metrics"][f"recall@{ks[0]}"]["value"] == 1.0  # type: ignore[index]
    slices = found["discovery"]["slices"]
    assert isinstance(slices, dict)
    assert "repeat" not in slices


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"customer": ["x:1"]}, "column item: missing"),
        ({"customer": ["no-namespace"], "item": ["i"]}, "row 1: column customer"),
        ({"customer": ["x:1"], "item": ["i"], "before": [3]}, "column before"),
    ],
)
def test_a_bad_truth_names_the_column(
    shop: Path, tmp_path: Path, columns: dict[str, list[object]], reason: str
) -> None:
    """A truth that cannot be read is refused with the column, and the row where there is one."""
    truth = tmp_path / "truth.parquet"
    pl.DataFrame(columns).write_parquet(truth)
    with pytest.raises(BadDataset, match=reason):
        read_truth(truth, read_log(shop), None)


def test_the_release_in_force_is_measured_beside_a_new_one(tmp_path: Path) -> None:
    """A new release is compared with the one in force, case by case; its id does not depend on it.

    One whose trees say next to nothing is held, by the name of a metric and a slice.
    """
    data, start = tmp_path / "data", datetime(2026, 3, 1, tzinfo=UTC)
    simulate(data, Setting(160, 60, 90, 1, start), lambda done: None)
    registry = Registry(tmp_path / "both")
    first = train(data, registry.directory, QUICK, "none").release
    stump = IntentConfig(ranker=RankerSettings(trees=1, leaves=2, least_rows=5))
    poor = msgspec.structs.replace(QUICK, default=stump)
    registry.promote(first, 1)
    trained = train(data, registry.directory, poor, "none")
    assert trained.release == train(data, tmp_path / "alone", poor, "none").release
    compared = registry.compared(trained.release, first)
    assert compared is not None
    measured = {
        (found.ranker, found.slice, name): value
        for found in trained.pipeline.measured["default"]
        for name, value in found.metrics.items()
    }
    for lead in compared.leads:
        assert lead.mine == measured["release", lead.slice, lead.metric].value
        assert lead.theirs == measured[IN_FORCE, lead.slice, lead.metric].value
    assert {"all", "warm", "repeat", "discovery"} <= {lead.slice for lead in compared.leads}
    with pytest.raises(Held, match=r"gate (recall|ndcg)@10, [a-z]+: "):
        override_needed(registry, trained.release)
