"""What the checks say of public data, as the manual tells it; skipped without these tables."""

from pathlib import Path

import pytest

from tests.support.checked_data import NOW
from tests.support.paths import ROOT
from training.checks.checked_dataset import CheckedDataset
from training.checks.checked_split import CheckedSplit
from training.checks.dataset_checks import DATASET_CHECKS
from training.checks.finding import run
from training.checks.split_checks import SPLIT_CHECKS
from training.importing.import_dataset import import_dataset
from training.log.dataset import read_dataset
from training.log.event_log import read_log
from training.run.config import read_config
from training.splits.held_out import held_out
from training.splits.protocols import target_types

DATA = ROOT.parent / "shared" / "data"
EXAMPLES = ROOT / "examples"

pytestmark = [
    pytest.mark.data,
    pytest.mark.machine,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no public research tables in {DATA}"),
]

ONLINE_RETAIL = """
[dataset]
kind = "timed"
source = "Online Retail (UCI)"
zone = "Europe/London"
add_missing_items = true

[[events]]
file = "online_retail"
where = { Quantity = "> 0" }
namespace.const = "user"
identifier = "CustomerID"
type.const = "purchase"
channel.const = "web"
time = "InvoiceDate"
item = "StockCode"
"""


def told(mapping: Path, source: Path, folder: Path) -> dict[str, int]:
    """Import a dataset and return what its checks count, by name."""
    out = folder / "out"
    import_dataset(
        mapping, out, source_dir=source, reject_file=folder / "rejects.csv", max_rejects=0.3
    )
    read = read_dataset(out)
    found = run(DATASET_CHECKS, CheckedDataset(read.metadata, read.tables, NOW))
    return {finding.check: finding.count for finding in found}


@pytest.mark.parametrize(
    ("name", "folder", "expected"),
    [
        (
            "complete_journey",
            "complete_journey",
            {"id-rounded": 1, "time-day-only": 1_828, "item-never-seen": 32_573},
        ),
        ("insurance", ".", {}),
        ("retail_rocket", ".", {"customer-share": 4_961}),
    ],
)
def test_examples_are_told_what_is_true(
    tmp_path: Path, name: str, folder: str, expected: dict[str, int]
) -> None:
    """Each finding in the tables of an example is one that was found true in its files."""
    assert told(EXAMPLES / name / "mapping.toml", DATA / folder, tmp_path) == expected


def test_the_last_weeks_of_complete_journey_are_sound(tmp_path: Path) -> None:
    """Five features of products, seven attributes of households and 1,510 cases raise no doubt."""
    example = EXAMPLES / "complete_journey"
    told(example / "mapping.toml", DATA / "complete_journey", tmp_path)
    log, config = read_log(tmp_path / "out"), read_config(example / "train.toml")
    split = held_out(tmp_path / "out", log, target_types(log), config.split, config.seed)
    assert len(split.cases) == 1_510
    assert run(SPLIT_CHECKS, CheckedSplit.of(log, split)) == []


def test_online_retail_is_told_of_floats_postage_and_a_feast(tmp_path: Path) -> None:
    """Invoice lines give customers that became floats, lines that are no article, and Christmas."""
    (tmp_path / "mapping.toml").write_text(ONLINE_RETAIL)
    assert told(tmp_path / "mapping.toml", DATA, tmp_path) == {
        "id-float": 4_101,
        "feed-gap": 11,
        "item-no-article": 5,
    }
