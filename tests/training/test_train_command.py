"""Training by command, on a small simulated retailer."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from demo.figures import against_the_opponent, read_report
from models.decision.decide import decide
from models.decision.inputs import SharedInputs
from models.domain.catalogue import Catalogue, Item, Money
from models.domain.decisions import Request
from models.domain.event_types import BROWSE, CART, PURCHASE
from models.domain.fold import fold
from models.domain.profile import Compartment, Profile
from models.errors import BadInput
from models.policy.schema import BUILT_IN
from models.ranking.offer_index import OfferIndex
from models.release.golden import check_golden
from models.release.loader import load_release, read_golden
from tests.support.events import NOW, event, identifier
from tests.support.training_logs import shop
from training.commands import app
from training.log.event_log import read_log
from training.retrieval.fit import StageOneSettings
from training.run.config import TrainConfig, read_config
from training.simulation.retailer import Setting
from training.simulation.simulate import simulate
from training.splits.restore import restore_cases
from training.train import train

pytestmark = pytest.mark.machine

CONFIG = """
windows = 2
[split]
mask = ["dismiss"]
newcomers = 0.2
[trend]
shortest = 25
middle = 50
longest = 100
every = 20
[stage_one]
dimensions = 16
epochs = 2
[default.ranker]
trees = 20
leaves = 7
least_rows = 5
[discovery]
hidden = 1
hidden_folds = 2
[discovery.ranker]
trees = 20
leaves = 7
least_rows = 5
"""


def test_a_release_ranks_by_the_rate_of_response(tmp_path: Path) -> None:
    """With --responses the label says so, figures are of contacts, and value comes to count."""
    end = datetime(2026, 3, 1, tzinfo=UTC)
    simulate(tmp_path / "shop", Setting(400, 40, 120, 1, end), lambda done: None)
    more = CONFIG.replace("windows = 2", "windows = 4").replace(
        "newcomers = 0.2", "newcomers = 0.0"
    )
    (tmp_path / "train.toml").write_text(more)
    registry = tmp_path / "registry"
    arguments = [str(tmp_path / "shop"), "--config", str(tmp_path / "train.toml"), "--responses"]
    result = CliRunner().invoke(app, ["train", *arguments, "--registry", str(registry)])
    assert result.exit_code == 0, result.output
    assert "Responses, learnt from" in result.output
    (directory,) = [path for path in registry.iterdir() if len(path.name) == 64]
    release = load_release(directory)
    assert release.manifest.label == "RESPONSE"
    figures = {metric.name: metric for metric in release.manifest.metrics if metric.slice == "all"}
    assert figures["auc"].intent == "responses"
    assert 0.5 < figures["auc"].value < 1
    items = {
        name: Item(id=name, value=Money("EUR", 2 + at)) for at, name in enumerate(release.items)
    }
    world = SharedInputs(OfferIndex(release, Catalogue(1, items)), BUILT_IN)
    somebody = identifier(1)
    known = fold(Compartment(), [event("e", somebody, item=release.items[0])])
    profile = Profile(customer=somebody, compartments={somebody: known})
    slate = decide(profile, world, Request(channel="web"), NOW).slate
    assert slate
    assert all(
        shown.rate is not None and shown.score_parts and shown.score_parts.worth for shown in slate
    )


def test_one_command_fits_measures_and_writes_both_stages(tmp_path: Path) -> None:
    """Both intents are fitted on windows before the test, reported beside every ranker, served."""
    end = datetime(2026, 3, 1, tzinfo=UTC)
    simulate(tmp_path / "shop", Setting(120, 40, 120, 1, end), lambda done: None)
    (tmp_path / "train.toml").write_text(CONFIG)
    registry = tmp_path / "registry"
    arguments = [str(tmp_path / "shop"), "--config", str(tmp_path / "train.toml"), "--refit"]
    arguments += ["--baselines", "all"]
    result = CliRunner().invoke(app, ["train", *arguments, "--registry", str(registry)])
    assert result.exit_code == 0, result.output
    assert "Intent default" in result.output
    assert "Fitted again on everything" in result.output
    (release_id,) = [path.name for path in registry.iterdir() if len(path.name) == 64]
    report = json.loads((registry / "reports" / f"{release_id}.json").read_text())
    newcomers = report["newcomers"]
    assert {row["slice"] for row in newcomers} == {f"{n} events known" for n in (0, 1, 3, 5)}
    assert {row["ranker"] for row in newcomers} >= {"release", "content similarity"}
    assert set(report) <= {"default", "discovery", "newcomers", "redeemed"}
    for intent in ("default", "discovery"):
        figures = report[intent]
        rankers = {row["ranker"] for row in figures["measured"]}
        assert {"release", "stage one alone", "popularity", "own counts", "EASE"} <= rankers
        assert figures["sources"][0][0] == "union"
        assert set(figures["spread"]) == rankers
        assert 0 < figures["spread"]["release"]["coverage"] <= 1
        assert 0 <= figures["calibration_error"][0] < 0.2
        again = {row["ranker"] for row in figures["renewed"]}
        assert again == rankers - {"release", "stage one alone"} | {"release renewed"}
    # The demo reads this report as well: two figures of each intent.
    assert against_the_opponent(read_report(registry, release_id)).row_count == 4
    release = load_release(registry / release_id)
    assert release.second_stage is not None
    configuration = release.manifest.configuration
    assert configuration["default.ranker.trees"] == 20
    assert configuration["fitted_on"] == "everything"
    touched = release.second_stage.retrieval.item_features[:, :3].any(axis=1)
    log = read_log(tmp_path / "shop")
    lanes = (BROWSE, CART, PURCHASE)
    every = {
        e.item for c in log.customers for e in c.events if log.event_types[e.type].lane in lanes
    }
    assert {release.items[row] for row in np.flatnonzero(touched)} == every - {""}
    for golden in read_golden(registry / release_id):
        check_golden(release, golden)


def test_without_enough_to_learn_from_stage_one_is_all(tmp_path: Path) -> None:
    """A dataset with hardly a held-out target gives a release of stage one, and says why."""
    end = datetime(2026, 3, 1, tzinfo=UTC)
    simulate(tmp_path / "shop", Setting(6, 20, 20, 1, end), lambda done: None)
    settings = StageOneSettings(dimensions=16, epochs=1, least_rows=1)
    trained = train(tmp_path / "shop", tmp_path / "registry", TrainConfig(stage_one=settings))
    assert "to learn from" in trained.pipeline.skipped_reason
    assert load_release(trained.directory).manifest.format == 1


def test_a_truth_beside_the_tables_is_learnt_from_in_the_end() -> None:
    """Fitting again counts the truth's targets as events, of the customers that are known."""
    log, asked = shop(16)
    cases = [question.case for question in asked[:5]]
    stranger = replace(cases[0], customer=None)
    whole = restore_cases(log, [*cases, stranger], "purchase")
    for at, customer in enumerate(whole.customers):
        before = log.customers[at].events
        added = [event for event in customer.events if event not in before]
        wanted = [target.item for target in cases[at].targets] if at < 5 else []
        assert [(event.type, event.item) for event in added] == [
            ("purchase", item) for item in wanted
        ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[stage_one]\ndimensions = 12", "multiple of 8"),
        ("[default.ranker]\nbags = 0", "bags"),
        ("[default.ranker]\ntrees = -5", "default.ranker.trees"),
        ("[default.ranker]\nleaves = 64", "<= 32 - at .*default.ranker.leaves"),
        ("[default.ranker]\nleaves = 1", "default.ranker.leaves"),
        ("[discovery.ranker]\nlearning_rate = -1.0", "discovery.ranker.learning_rate"),
        ("[discovery]\nhidden_folds = 1", "discovery.hidden_folds"),
        ("[stage_one]\nepochs = 0", "stage_one.epochs"),
        ("[split]\ntest_days = 0", ">= 1 - at .*split.test_days"),
        ("[split]\ntest_days = 9999", "<= 3660 - at .*split.test_days"),
        ("windows = 0", "windows"),
        ("[responses.ranker]\nbags = 2", "responses.ranker.bags: want 1"),
        ("folds = 'x'", "folds"),
        ("fold = 3", "fold"),
        ("[split]\nprotocol = 'x'", "protocol"),
    ],
)
def test_a_bad_configuration_names_the_field(tmp_path: Path, text: str, reason: str) -> None:
    """An unknown field, and a value of the wrong kind, are refused by name."""
    path = tmp_path / "train.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=reason):
        read_config(path)
    result = CliRunner().invoke(app, ["train", str(tmp_path), "--config", str(path)])
    assert result.exit_code == os.EX_CONFIG
    path.write_text("")
    assert read_config(path) == TrainConfig()
