"""Runs the checks as a command comes to what they look at, tells what they found, and refuses."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from rich.console import Console

from models.domain.dataset import Metadata
from training.checks.checked_dataset import CheckedDataset
from training.checks.checked_split import CheckedSplit
from training.checks.dataset_checks import DATASET_CHECKS
from training.checks.finding import Finding, run
from training.checks.report import findings_table, refuse_warnings
from training.checks.split_checks import SPLIT_CHECKS
from training.log.dataset import read_dataset
from training.log.event_log import TABLES, Log
from training.splits.cases import Case, Split


class Inspector:
    """The checks of one command: tells findings on `console`; under `strict` a warning stops it."""

    def __init__(self, console: Console, strict: bool) -> None:
        self.findings: list[Finding] = []
        self._console = console
        self._strict = strict
        self._told = 0

    def tables(self, metadata: Metadata, tables: Mapping[str, pl.DataFrame]) -> None:
        """Check the tables of a dataset before they are written.

        Raises `BadDataset` under `strict` where a check warns, once that is told.
        """
        self._check_tables(metadata, tables)
        if self._strict:
            self.conclude()

    def dataset(self, directory: Path) -> None:
        """Check the dataset in `directory`, and tell; raises `BadDataset` where it is damaged."""
        read = read_dataset(directory, TABLES)
        self._check_tables(read.metadata, read.tables)
        self.tell()

    def split(self, log: Log, split: Split) -> None:
        """Check what is held out, and conclude."""
        self.findings += run(SPLIT_CHECKS, CheckedSplit.of(log, split))
        self.conclude()

    def cases(self, log: Log, cases: Sequence[Case]) -> None:
        """Check the cases of a truth file, and conclude."""
        self.findings += run(SPLIT_CHECKS, CheckedSplit(log, log, cases))
        self.conclude()

    def tell(self) -> None:
        """Tell what was found since findings were last told."""
        if self.findings[self._told :]:
            self._console.print(findings_table(self.findings[self._told :]))
        self._told = len(self.findings)

    def conclude(self) -> None:
        """Tell what is left to tell; raises `BadDataset` under `strict` where a check warned."""
        self.tell()
        if self._strict:
            refuse_warnings(self.findings)

    def _check_tables(self, metadata: Metadata, tables: Mapping[str, pl.DataFrame]) -> None:
        checked = CheckedDataset(metadata, tables, datetime.now(UTC))
        self.findings += run(DATASET_CHECKS, checked)
