"""The declared checks, beside the manual and the tests."""

import re
from pathlib import Path

import pytest

from tests.support.manual_pages import table_under
from training.checks.dataset_checks import DATASET_CHECKS
from training.checks.split_checks import SPLIT_CHECKS

OF_DATASETS = {check.name: check.severity for check in DATASET_CHECKS}
OF_SPLITS = {check.name: check.severity for check in SPLIT_CHECKS}
DECLARED = OF_DATASETS | OF_SPLITS
PLANTED = "".join(
    path.read_text(encoding="utf-8")
    for path in Path(__file__).parent.glob("test_*.py")
    if path != Path(__file__)
)


def test_the_manual_tells_each_check() -> None:
    """The tables of the manual are the declared checks with their severity, and no others."""
    tables = (
        table_under("docs/datasets.md", "Of a dataset:"),
        table_under("docs/datasets.md", "Of what is held out,"),
    )
    told = [{name: cells[1] for name, cells in table.items()} for table in tables]
    assert told == [OF_DATASETS, OF_SPLITS]


@pytest.mark.parametrize("name", DECLARED)
def test_each_check_has_a_planted_fault(name: str) -> None:
    """A check is a name of words, declared once, and a test plants what it finds."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
    assert len(DECLARED) == len(DATASET_CHECKS) + len(SPLIT_CHECKS)
    assert f'"{name}"' in PLANTED
