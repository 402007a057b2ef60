"""The full model by command, on a small simulated retailer."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.errors import BadInput
from training.commands import app
from training.config import TrainConfig, read_config
from training.retailer import Setting
from training.simulate import simulate

CONFIG = """
windows = 2
[split]
mask = ["dismiss"]
newcomers = 0.2
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


def test_the_full_model_is_measured_beside_every_baseline(tmp_path: Path) -> None:
    """One command fits both intents on windows before the test and reports every ranker."""
    end = datetime(2026, 3, 1, tzinfo=UTC)
    simulate(tmp_path / "shop", Setting(120, 40, 120, 1, end), lambda done: None)
    (tmp_path / "train.toml").write_text(CONFIG)
    arguments = ["rank", str(tmp_path / "shop"), "--config", str(tmp_path / "train.toml")]
    result = CliRunner().invoke(app, [*arguments, "--report", str(tmp_path / "report.json")])
    assert result.exit_code == 0, result.output
    assert "Intent default" in result.output
    report = json.loads((tmp_path / "report.json").read_text())
    newcomers = report.pop("newcomers")
    assert {row["slice"] for row in newcomers} == {f"{n} events known" for n in (0, 1, 3, 5)}
    assert {row["ranker"] for row in newcomers} >= {"the model", "content similarity"}
    assert set(report) == {"default", "discovery"}
    for figures in report.values():
        rankers = {row["ranker"] for row in figures["measured"]}
        assert {"the model", "popularity", "own counts", "item-kNN", "EASE"} <= rankers
        assert figures["sources"][0][0] == "union"
        assert set(figures["spread"]) == rankers
        assert 0 < figures["spread"]["the model"]["coverage"] <= 1
        assert 0 <= figures["calibration_error"][0] < 0.2


@pytest.mark.parametrize(
    ("text", "reason"),
    [("folds = 'x'", "folds"), ("fold = 3", "fold"), ("[split]\nprotocol = 'x'", "protocol")],
)
def test_a_bad_configuration_names_the_field(tmp_path: Path, text: str, reason: str) -> None:
    """An unknown field, and a value of the wrong kind, are refused by name."""
    path = tmp_path / "train.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=reason):
        read_config(path)
    path.write_text("")
    assert read_config(path) == TrainConfig()
