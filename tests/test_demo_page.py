"""What the demo prints of commands, and of what they printed."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from demo.figures import against_the_best, read_report
from demo.page import command_line

pytestmark = pytest.mark.machine


def interval(value: float) -> dict[str, float]:
    """Return a figure as a training report has it."""
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def test_training_is_shown_beside_the_best_baseline(tmp_path: Path) -> None:
    """Each figure stands beside the best baseline of that figure, which stage one alone is not."""
    figures = {
        "release": (0.4, 0.3),
        "stage one alone": (0.39, 0.29),
        "popularity": (0.2, 0.25),
        "EASE": (0.35, 0.2),
    }
    measured = [
        {
            "ranker": ranker,
            "slice": "all",
            "n": 1234,
            "metrics": {"recall@10": interval(recall), "ndcg@10": interval(ndcg)},
            "behind_the_release": {
                "recall@10": interval(0.4 - recall),
                "ndcg@10": interval(0.3 - ndcg),
            },
        }
        for ranker, (recall, ndcg) in figures.items()
    ]
    (tmp_path / "reports").mkdir()
    report = {"default": {"measured": measured}, "discovery": {"measured": measured}}
    (tmp_path / "reports" / "r1.json").write_text(json.dumps(report))
    said = io.StringIO()
    Console(file=said, width=80).print(against_the_best(read_report(tmp_path, "r1")))
    assert "1,234   R@10      .400      .350 EASE         .050 [.040, .060]" in said.getvalue()
    assert "NDCG@10   .300      .250 popularity   .050 [.040, .060]" in said.getvalue()


def test_a_long_command_line_can_be_copied() -> None:
    """A command that is too long for a line is continued at an option."""
    said = io.StringIO()
    words = ("serve", "--listen", "127.0.0.1:0", "--store", "sqlite:" + "s" * 40)
    command_line(Console(file=said, width=60), words)
    assert said.getvalue().splitlines() == [
        "",
        "$ throughline serve --listen 127.0.0.1:0 \\",
        f"    --store sqlite:{'s' * 40}",
    ]
