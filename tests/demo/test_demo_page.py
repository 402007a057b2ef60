"""What the demo prints: titles beside ids, reasons as sentences, and the figures that matter."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from throughline.v1.recommendation_pb2 import (
    WITHHOLD_REASON_CHANNEL,
    WITHHOLD_REASON_DIVERSITY,
    Because,
    RecommendResponse,
    WithholdReason,
)

from demo.figures import against_the_opponent, read_report
from demo.page import command_line
from demo.slates import because, comparison
from demo.titles import Titles
from tests.support.in_process import Running, running

pytestmark = pytest.mark.machine


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file, to look titles up."""
    with running(tmp_path_factory.mktemp("demo")) as started:
        yield started


def answer(reason: WithholdReason.ValueType) -> RecommendResponse:
    """Return an answer that shows `a` and withholds `b`."""
    made = RecommendResponse()
    made.offers.add(offer_id="a", rank=1)
    made.withheld.add(offer_id="b", rank=2, reason=reason)
    return made


def interval(value: float) -> dict[str, float]:
    """Return a figure as a training report has it."""
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def test_ids_have_their_titles(live: Running) -> None:
    """What no answer told is asked for once; what the catalogue does not have keeps its id."""
    titles = Titles(live.client)
    assert titles.offer("item:item1") == "item:item1 Item 1"
    assert titles.item("item1") == "item1 Item 1"
    assert titles.item("gone") == "gone"
    told = RecommendResponse()
    told.offers.add(offer_id="item:gone", title="A bargain")
    titles.learn(told)
    assert titles.item("gone") == "gone A bargain"


def test_what_a_customer_did_is_a_sentence(live: Running) -> None:
    """Acts of one kind share their verb; an act of a kind without one, or no item, is told too."""
    acts = [
        Because(type="view", item_id="a"),
        Because(type="purchase", item_id="b"),
        Because(type="purchase", item_id="c"),
        Because(type="session"),
    ]
    said = because(acts, Titles(live.client), "she")
    assert said == "because she viewed a, and bought b and c, and session something"


def test_a_comparison_tells_who_withholds_for_another_reason(live: Running) -> None:
    """A row has the place on each channel, and the reasons, with the channels that differ."""
    answers = {
        "web": answer(WITHHOLD_REASON_DIVERSITY),
        "app": answer(WITHHOLD_REASON_DIVERSITY),
        "till": answer(WITHHOLD_REASON_CHANNEL),
    }
    said = io.StringIO()
    Console(file=said, width=100).print(comparison(answers, Titles(live.client), 100))
    lines = [line.split() for line in said.getvalue().splitlines()]
    assert ["1", "a", "1.", "1.", "1."] in lines
    assert ["2", "b", "–", "–", "–", "diversity;", "channel"] in lines
    assert ["(till)"] in lines


def test_training_is_shown_beside_its_opponent(tmp_path: Path) -> None:
    """Each figure stands beside that of the opponent chosen before, however good others are."""
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
    intent = {"opponents": {"judge": "popularity"}, "measured": measured}
    report = {"default": intent, "discovery": intent}
    (tmp_path / "reports" / "r1.json").write_text(json.dumps(report))
    said = io.StringIO()
    Console(file=said, width=80).print(against_the_opponent(read_report(tmp_path, "r1")))
    assert "1,234   R@10      .400      .200 popularity   .200 [.190, .210]" in said.getvalue()
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
