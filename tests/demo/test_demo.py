"""The demo finds what it must find, and removes only what a demo made."""

import io
import re
import signal
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from throughline.v1.recommendation_pb2 import (
    WITHHOLD_REASON_CHANNEL,
    WITHHOLD_REASON_UNSPECIFIED,
    RecommendResponse,
    WithholdReason,
)

from demo.address import listen_on, must_be_free
from demo.cast import Cast
from demo.check import Told, check
from demo.children import ChildFailed, run, served
from demo.run import MARK, run_demo
from demo.story import Story
from models.errors import BadInput
from service.server_process import NotServing
from tests.support.in_process import running

pytestmark = pytest.mark.machine


def answer(
    *shown: tuple[int, str],
    withheld: tuple[tuple[int, str], ...] = (),
    reason: WithholdReason.ValueType = WITHHOLD_REASON_CHANNEL,
    version: int = 1,
    tier_one_from: int = 1000,
) -> RecommendResponse:
    """Return an answer that shows and withholds (rank, offer)."""
    made = RecommendResponse()
    made.moment.profile_version = version
    for rank, offer in shown:
        made.offers.add(offer_id=offer, rank=rank, score=-rank, tier=int(rank >= tier_one_from))
    for rank, offer in withheld:
        made.withheld.add(offer_id=offer, rank=rank, reason=reason)
    return made


WEB = Told("web", answer((1, "a"), (2, "b"), (3, "c")))


def test_equal_rankings_pass() -> None:
    """Channels that show and withhold parts of one ranking agree."""
    till = Told("till", answer((1, "a"), (3, "c"), withheld=((2, "b"),)))
    assert check([WEB, till]) == (2, 1, [])


def test_another_order_is_found() -> None:
    """Two offers that change places between channels of one moment are a difference each."""
    found = check([WEB, Told("app", answer((1, "b"), (2, "a"), (3, "c")))])
    assert [line for line in found.differences if line.startswith("rank ")] == [
        "rank 1: web has a, app has b",
        "rank 2: web has b, app has a",
    ]


def test_another_moment_is_not_compared() -> None:
    """What differs by profile version may rank differently."""
    assert check([WEB, Told("app", answer((1, "b"), version=2))]).pairs == 0


def test_a_gap_is_found() -> None:
    """A rank that is neither shown nor withheld is a difference."""
    assert "gap" in check([Told("web", answer((1, "a"), (3, "c")))]).differences[0]


def test_what_is_only_counted_is_no_gap() -> None:
    """Between the last withheld that is told and what is shown stand those that are counted."""
    told = answer((2, "b"), (9, "c"), withheld=((1, "a"), (3, "d")))
    assert "gap" in check([Told("web", told)]).differences[0]
    told.withheld_more = 5
    assert check([Told("web", told)]).differences == []


def test_a_missing_reason_is_found() -> None:
    """An offer withheld without a reason is a difference."""
    told = answer((1, "a"), withheld=((2, "b"),), reason=WITHHOLD_REASON_UNSPECIFIED)
    assert "without a reason" in check([Told("web", told)]).differences[0]


def test_what_a_channel_appended_is_its_own() -> None:
    """Offers of tier 1 may differ between channels; those of tier 0 above them may not."""
    till = Told("till", answer((1, "a"), (2, "b"), (3, "d"), tier_one_from=3))
    app = Told("app", answer((1, "a"), (2, "b"), (3, "e"), tier_one_from=3))
    assert check([till, app]).differences == []


def test_scores_out_of_order_are_found() -> None:
    """An offer that stands above one with a higher score is a difference."""
    told = answer((1, "a"), (2, "b"))
    told.offers[1].score = 5
    assert "scores more" in check([Told("web", told)]).differences[0]


def test_a_foreign_directory_is_not_emptied(tmp_path: Path) -> None:
    """The demo removes only what a demo made."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match="no demo made it"):
        run_demo(tmp_path, seed=7, keep=False)
    assert (tmp_path / "thesis.txt").exists()


def test_a_port_that_is_taken_is_told_before_anything_is_done(tmp_path: Path) -> None:
    """A port that somebody has is bad input, and an earlier demo's files are still there."""
    (tmp_path / MARK).touch()
    (tmp_path / "train.log").write_text("an hour ago")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"--port: {port} is taken"):
            run_demo(tmp_path, seed=7, keep=False, port=port)
        assert listen_on(port) == f"127.0.0.1:{port}"
    assert (tmp_path / "train.log").exists()


def test_any_free_port_is_one_that_can_be_asked_for() -> None:
    """Port 0 leaves the choice to the service."""
    must_be_free(0)
    assert listen_on(0) == "127.0.0.1:0"


def test_the_story_comes_true(tmp_path: Path) -> None:
    """Told against a real service the story keeps every promise, and the check finds nothing."""
    said = io.StringIO()
    cast = Cast("L1", ("item1", "item2", "item3"), "store_1", datetime.now(UTC))
    with running(tmp_path) as live:
        story = Story(live.client, Console(file=said, width=120), cast, time.monotonic())
        story.tell()
    assert check(story.told).differences == []
    assert check(story.told).pairs > 20
    assert "bought lately" in said.getvalue()
    assert "out of stock here" in said.getvalue()
    assert re.search(r"because the visitor viewed item(\d+) Item \1\b", said.getvalue())


def test_a_second_interrupt_leaves_no_service_behind(tmp_path: Path) -> None:
    """Who does not wait for the service to end leaves it no less ended."""
    options = (
        *("--listen", "127.0.0.1:0", "--store", f"sqlite:{tmp_path / 'data'}"),
        *("--registry", str(tmp_path / "registry")),
    )
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), served(options, tmp_path / "serve.log") as address:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
    finally:
        signal.signal(signal.SIGALRM, before)
    host, _, port = address.rpartition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


def test_a_failing_command_shows_its_last_lines(tmp_path: Path) -> None:
    """A command of the demo that fails ends it, with what the command said."""
    with pytest.raises(ChildFailed, match=r"exit code 66.*\n.*nowhere: not found"):
        run(("load", str(tmp_path / "nowhere")), tmp_path / "load.log")


def test_a_service_that_cannot_start_shows_why(tmp_path: Path) -> None:
    """A service that ends before it serves ends the demo, with what the service said."""
    options = ("--store", "floppy:a")
    with (
        pytest.raises(NotServing, match=r"exit code 78.*\n.*store"),
        served(options, tmp_path / "serve.log"),
    ):
        raise AssertionError("it served")


def test_another_service_on_the_port_is_not_taken_for_the_demo_s(tmp_path: Path) -> None:
    """Where somebody else serves already, the demo ends with that; it does not ask the other."""
    (tmp_path / "other").mkdir()
    with running(tmp_path / "other") as other:
        options = ("--listen", f"127.0.0.1:{other.server.port}", "--store", f"sqlite:{tmp_path}")
        with (
            pytest.raises(NotServing, match="cannot bind"),
            served(options, tmp_path / "serve.log"),
        ):
            raise AssertionError("it served")
