"""Public tables, each in every way of writing it, guessed and imported; skipped without them."""

import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from tests.support.file_variants import VARIANTS, whole_customers
from tests.support.paths import ROOT
from training.importing.guess.guess import guess_mapping
from training.importing.import_dataset import import_dataset
from training.log.dataset import read_dataset

DATA = ROOT.parent / "shared" / "data"

pytestmark = [
    pytest.mark.data,
    pytest.mark.machine,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no public research tables in {DATA}"),
]

# A table, the column of its customers, one customer in how many, and the types of its events.
TABLES: Mapping[str, tuple[str, str, int, set[str]]] = {
    "retail_rocket": (
        "retail_rocket_trainval.parquet",
        "user_id",
        40,
        {"view", "add_to_cart", "purchase"},
    ),
    "taobao": ("taobao_trainval.parquet", "user_id", 400, {"view", "add_to_cart", "purchase"}),
    "insurance": ("insurance_train.parquet", "user_id", 200, {"session", "call", "purchase"}),
    "online_retail": ("online_retail.parquet", "CustomerID", 80, {"purchase", "return"}),
    "complete_journey": ("complete_journey/transactions.parquet", "household_id", 40, {"purchase"}),
}
COMPARED = ("identifier", "type", "item", "time", "quantity")


def imported(path: Path, folder: Path) -> pl.DataFrame:
    """Guess a mapping of `path`, import by it, and return the events without their ids."""
    mapping = folder / "mapping.toml"
    mapping.write_text(guess_mapping([str(path)], folder).text, encoding="utf-8")
    import_dataset(mapping, folder / "out", source_dir=folder, reject_file=folder / "rejects.csv")
    return read_dataset(folder / "out").events.select(COMPARED).sort(COMPARED)


@pytest.mark.parametrize("name", TABLES)
def test_however_it_is_written_it_is_the_same(tmp_path: Path, name: str) -> None:
    """A guess of a table as Parquet and as each kind of text leads to the same events."""
    file, customer, one_in, types = TABLES[name]
    frame = whole_customers(pl.read_parquet(DATA / file), customer, one_in)
    frame.write_parquet(tmp_path / f"{name}.parquet")
    events = imported(tmp_path / f"{name}.parquet", tmp_path)
    assert set(events["type"]) == types
    for kind, write in VARIANTS.items():
        folder = tmp_path / re.sub(r"\W+", "_", kind)
        folder.mkdir()
        assert imported(write(frame, folder), folder).equals(events), kind


def test_the_invoices_of_a_shop() -> None:
    """The example of Online Retail leaves out who is nobody and what is no goods."""
    frame = pl.read_parquet(DATA / "online_retail.parquet")
    services = frame.filter(~pl.col("StockCode").str.contains(r"\d\d\d"))["StockCode"].unique()
    text = (ROOT / "examples" / "online_retail" / "mapping.toml").read_text(encoding="utf-8")
    goods = {"DCGSSBOY", "DCGSSGIRL", "PADS"}
    assert {code for code in services if f'"{code}"' not in text} == goods
