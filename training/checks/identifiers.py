"""Ids that a tool on the way has spoilt, or that one thing has two of."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from training.checks.checked_dataset import CheckedDataset
from training.checks.finding import Found

# What programs write for nothing. Fewer than mean nobody (`models.domain.input.nobody`), which no
# customer of a dataset can be called: an item may well be named `0`, `test`, `default` or `guest`.
NOTHING = frozenset(
    (
        "",
        "null",
        "(null)",
        "none",
        "nil",
        "nan",
        "na",
        "n/a",
        "#n/a",
        "undefined",
        "unknown",
        "-",
        "?",
    )
)
FLOAT = r"^-?[0-9]+\.0+$"
# With its sign, as spreadsheets write it: 1E5 may be somebody's article.
SCIENTIFIC = r"^[0-9](\.[0-9]+)?[eE]\+[0-9]+$"
EMAIL = r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$"


def nothing(dataset: CheckedDataset) -> Iterator[Found]:
    """Find ids that are a word for nothing: all who have none become one customer, or one item."""
    folded = pl.col("id").str.strip_chars().str.to_lowercase()
    yield from _found(dataset, folded.is_in(NOTHING), "stand for nothing", count_rows=True)


def floats(dataset: CheckedDataset) -> Iterator[Found]:
    """Find ids that were numbers with missing ones among them, and became floats."""
    yield from _found(dataset, pl.col("id").str.contains(FLOAT), "end in .0")


def scientific(dataset: CheckedDataset) -> Iterator[Found]:
    """Find ids that a spreadsheet rounded: several became one."""
    yield from _found(dataset, pl.col("id").str.contains(SCIENTIFIC), "are rounded numbers")


def emails(dataset: CheckedDataset) -> Iterator[Found]:
    """Find e-mail addresses in the clear; the example shows only where they are."""
    for found in _found(dataset, pl.col("id").str.contains(EMAIL), "are e-mail addresses"):
        yield replace(found, example=f"…@{found.example.rpartition('@')[2]}")


def alike(dataset: CheckedDataset) -> Iterator[Found]:
    """Find ids of one kind that differ by case, blanks or the form of Unicode only."""
    form = pl.col("id").str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\s+", "")
    groups = (
        dataset.ids.group_by("kind", form.alias("form"), maintain_order=True)
        .agg("id")
        .filter(pl.col("id").list.len() > 1)
    )
    for (kind,), part in groups.group_by("kind", maintain_order=True):
        example = " and ".join(repr(one) for one in part["id"][0][:2])
        count = int(part["id"].list.len().sum())
        yield Found(f"ids of {kind} differ by case, blanks or Unicode form", count, example)


def _found(
    dataset: CheckedDataset, wrong: pl.Expr, what: str, count_rows: bool = False
) -> Iterator[Found]:
    """Yield, kind by kind, how many ids are `wrong`, or how many rows have such an id."""
    for (kind,), part in dataset.ids.filter(wrong).group_by("kind", maintain_order=True):
        count = int(part["rows"].sum()) if count_rows else part.height
        subject = f"rows whose id of {kind}" if count_rows else f"ids of {kind}"
        yield Found(f"{subject} {what}", count, part["id"][0].strip() or "(blank)")
