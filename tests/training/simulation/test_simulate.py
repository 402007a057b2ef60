"""The simulated retailer."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from training.commands import app
from training.log.dataset import Dataset, read_dataset
from training.simulation.retailer import CHANNEL_EFFECT, INTERCEPT, Setting
from training.simulation.simulate import TRUTH, simulate

pytestmark = pytest.mark.machine

SMALL = Setting(customers=80, items=60, days=60, seed=3, end=datetime(2026, 3, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A small retailer."""
    out = tmp_path_factory.mktemp("simulate") / "out"
    simulate(out, SMALL)
    return read_dataset(out)


def test_same_seed_same_bytes(dataset: Dataset, tmp_path: Path) -> None:
    """The same setting gives the same bytes, another seed others."""
    simulate(tmp_path / "again", SMALL)
    for file in sorted(dataset.path.iterdir()):
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()
    other = simulate(tmp_path / "other", Setting(80, 60, 60, 4, SMALL.end))
    assert other.digests["events"] != dataset.metadata.digests["events"]


def test_it_says_that_it_is_simulated(dataset: Dataset, tmp_path: Path) -> None:
    """Metadata, truth and the command's output say that everything is simulated."""
    assert dataset.metadata.simulated
    assert json.loads((dataset.path / TRUTH).read_text())["simulated"] is True
    command = ["simulate", "--out", str(tmp_path / "out"), "--customers", "5", "--items", "20"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "simulated" in done.stdout


def test_channels_and_tables(dataset: Dataset) -> None:
    """Events lie in the window, on six channels, under known namespaces, and name what exists."""
    events, items = dataset.events, dataset.items
    offers, links = dataset.tables["offers"], dataset.tables["links"]
    assert set(events["channel"]) == set(CHANNEL_EFFECT)
    assert events["time"].min() >= SMALL.start  # type: ignore[operator]
    assert events["time"].max() < SMALL.end  # type: ignore[operator]
    assert events["item"].drop_nulls().is_in(items["item"].implode()).all()
    assert events["offer"].drop_nulls().is_in(offers["offer"].implode()).all()
    assert offers["items"].explode().is_in(items["item"].implode()).all()
    assert links.height > 0
    assert items["price_units"].null_count() == items["stock"].null_count() == 0
    assert {"cookie", "device", "email_sha256", "loyalty"} <= set(dataset.metadata.namespaces)


def test_offers_are_shown_where_and_when_they_are_valid(dataset: Dataset) -> None:
    """No contact lies outside its offer's window or channels, and some offers outlive the log."""
    contacts = dataset.events.filter(pl.col("type").is_in(["impression", "sent"])).join(
        dataset.tables["offers"].select("offer", "valid_from", "valid_until", "channels"),
        on="offer",
    )
    assert contacts.height > 100
    assert contacts.filter(
        ~pl.col("time").is_between("valid_from", "valid_until", "left")
    ).is_empty()
    limited = contacts.filter(pl.col("channels").is_not_null())
    assert limited.filter(~pl.col("channel").is_in(pl.col("channels"))).is_empty()
    assert (dataset.tables["offers"]["valid_until"] > SMALL.end).any()


def test_nobody_turns_to_an_item_before_its_launch(dataset: Dataset, tmp_path: Path) -> None:
    """Launched items are valid from a day of the log on, and neither events nor offers precede."""
    simulate(tmp_path / "out", replace(SMALL, launched=0.5))
    launching = read_dataset(tmp_path / "out")
    launches = launching.items.filter(pl.col("valid_from").is_not_null())
    assert 15 <= launches.height <= 45
    assert launches["valid_from"].is_between(SMALL.start, SMALL.end, "none").all()
    begins = launches.select("item", pl.col("valid_from").alias("launch"))
    touched = launching.events.join(begins, on="item")
    assert touched.height > 50
    assert (touched["time"] >= touched["launch"]).all()
    offered = (
        launching.tables["offers"].explode("items").join(begins, left_on="items", right_on="item")
    )
    assert (offered["valid_from"] >= offered["launch"]).all()
    assert (offered["valid_until"] > offered["valid_from"]).all()
    known = [name for name in launching.items.columns if name != "valid_from"]
    assert launching.items.select(known).equals(dataset.items.select(known))


def test_responses_follow_the_truth(tmp_path: Path) -> None:
    """The responses counted agree with the response rates that `truth.json` gives."""
    simulate(tmp_path / "out", Setting(customers=300, items=60, days=120, seed=5))
    dataset = read_dataset(tmp_path / "out")
    truth = json.loads((tmp_path / "out" / TRUTH).read_text())
    vectors = np.array([entry["vector"] for entry in truth["items"]])
    biases = np.array([entry["bias"] for entry in truth["items"]])
    place = {entry["item"]: index for index, entry in enumerate(truth["items"])}
    taste = {
        identifier: np.array(entry["taste"])
        for entry in truth["customers"]
        for identifier in entry["identifiers"]
    }
    members = dict(dataset.tables["offers"].select("offer", "items").iter_rows())
    expected = 0.0
    variance = 0.0
    shown = dataset.events.filter(pl.col("type") == "impression")
    columns = ("namespace", "identifier", "channel", "offer")
    for namespace, identifier, channel, offer in shown.select(columns).iter_rows():
        index = [place[item] for item in members[offer]]
        scale = truth["scale"] / np.sqrt(truth["dimensions"])
        liking = scale * (vectors[index] @ taste[f"{namespace}:{identifier}"]) + biases[index]
        odds = INTERCEPT + truth["slope"] * liking.max() + CHANNEL_EFFECT[channel]
        rate = 1 / (1 + np.exp(-odds))
        expected += rate
        variance += rate * (1 - rate)
    responses = dataset.events.filter(
        pl.col("type").is_in(["click", "accept"]) & (pl.col("channel") != "email")
    )
    assert shown.height > 1_000
    assert abs(responses.height - expected) < 4 * np.sqrt(variance)
