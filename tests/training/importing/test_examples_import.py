"""The mappings in examples/ against the public tables they are for; skipped without those."""

from pathlib import Path

import polars as pl
import pytest

from tests.support.paths import ROOT
from training.importing.import_dataset import Imported, import_dataset
from training.log.dataset import Dataset, read_dataset

DATA = ROOT.parent / "shared" / "data"

pytestmark = [
    pytest.mark.data,
    pytest.mark.machine,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no public research tables in {DATA}"),
]


def run(name: str, source_dir: Path, folder: Path) -> tuple[Imported, Dataset]:
    """Import an example and read the dataset."""
    mapping = ROOT / "examples" / name / "mapping.toml"
    rejects = folder / "rejects.csv"
    imported = import_dataset(mapping, folder / "out", source_dir=source_dir, reject_file=rejects)
    return imported, read_dataset(folder / "out")


def test_complete_journey(tmp_path: Path) -> None:
    """Complete Journey gives the counts that are known of it."""
    imported, dataset = run("complete_journey", DATA / "complete_journey", tmp_path)
    counts = {tally.file: tally for tally in imported.rejects.tallies}
    assert counts["transactions.parquet"].read == 68_312
    assert imported.rejects.by_reason() == [("transactions.parquet", "quantity", "not > 0", 374)]
    assert counts["coupons.parquet"].repeated == 4_872
    purchases = dataset.events.filter(pl.col("type") == "purchase")
    assert purchases.height == 68_312 - 374
    assert purchases.filter(pl.col("amount_units") + pl.col("amount_nanos") == 0).height == (
        free_purchases()
    )
    offers = dataset.tables["offers"]
    assert offers.height == 1_197
    assert offers["items"].explode().n_unique() == 41_857
    assert dataset.events.filter(pl.col("type") == "redeem").height == 1_828
    about = dataset.events["offer"].drop_nulls()
    assert about.is_in(offers["offer"].implode()).all()
    sent = dataset.events.filter(pl.col("type") == "sent")
    assert sent["offer"].null_count() == 361 + 1_076 + 1_077 + 1_133  # households of type A
    named = sent.drop_nulls("offer")
    assert named.height == 40_108 == named.select("identifier", "offer").n_unique()
    assert not named["decision_id"].null_count()
    assert dataset.tables["customers"].height == 801


def free_purchases() -> int:
    """Return how many purchases of a positive quantity cost nothing."""
    table = pl.read_parquet(DATA / "complete_journey" / "transactions.parquet")
    return table.filter((pl.col("sales_value") == 0) & (pl.col("quantity") > 0)).height


def test_complete_journey_window(tmp_path: Path) -> None:
    """The households that buy in the last four weeks are those of the table, 1,513 with rejects."""
    _, dataset = run("complete_journey", DATA / "complete_journey", tmp_path)
    local = pl.col("time").dt.convert_time_zone("America/New_York").dt.date()
    late = dataset.events.filter((pl.col("type") == "purchase") & (local >= pl.date(2017, 11, 3)))
    table = pl.read_parquet(DATA / "complete_journey" / "transactions.parquet").filter(
        pl.col("transaction_timestamp") >= pl.datetime(2017, 11, 3)
    )
    assert table["household_id"].n_unique() == 1_513
    sound = table.filter(pl.col("quantity") > 0)
    assert set(late["identifier"]) == set(sound["household_id"])


def test_insurance(tmp_path: Path) -> None:
    """Every touch and purchase is accounted for, and a purchase follows its touches."""
    imported, dataset = run("insurance", DATA, tmp_path)
    (tally,) = imported.rejects.tallies
    assert tally.read == 112_177 + 24_300 + 84_381 == tally.kept + tally.repeated
    assert tally.rejected == 0
    assert dataset.events.filter(pl.col("type") == "purchase").height == 84_381
    assert dataset.items.height == 24
    assert dataset.metadata.order_over == "dataset"
    moments = dataset.events.filter(pl.col("type") == "purchase")["sequence"].unique()
    assert len(moments) == 56_160
    last = dataset.events.sort("sequence").group_by("identifier").last()
    assert (last["type"] == "purchase").all()


def test_taobao(tmp_path: Path) -> None:
    """Taobao gives the training rows as events and one target for each customer."""
    imported, dataset = run("taobao", DATA, tmp_path)
    assert dataset.events.height == 1_146_161
    assert dataset.items.height == 11_953
    truth = pl.read_parquet(tmp_path / "out" / "truth.parquet")
    assert truth.height == truth["customer"].n_unique() == 15_449
    assert imported.rejects.rejected == 0


def test_online_retail(tmp_path: Path) -> None:
    """Invoices as they were written: strangers and services are skipped, refunds are returns."""
    imported, dataset = run("online_retail", DATA, tmp_path)
    assert imported.rejects.rejected == 0
    types = dict(dataset.events["type"].value_counts().iter_rows())
    assert types == {"purchase": 331_519, "return": 7_564}
    assert dataset.items.height == 3_920
    assert dataset.items["title"].null_count() == 0
    assert dataset.tables["customers"].height == 4_137
    line = dataset.events.filter((pl.col("receipt") == "536365") & (pl.col("item") == "85123A"))
    assert line.select("quantity", "amount_units", "amount_nanos", "currency").rows() == [
        (6.0, 15, 300_000_000, "GBP")
    ]
