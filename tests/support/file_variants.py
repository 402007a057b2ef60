"""A table written as people write it: signs, decimal commas, encodings, no header, a file a day.

The same table gives the same bytes.
"""

import gzip
from collections.abc import Callable
from pathlib import Path

import polars as pl

DAYS = 7  # that a table without times is dealt over


def commas(frame: pl.DataFrame, folder: Path) -> Path:
    """Write commas, points and UTF-8."""
    path = folder / "data.csv"
    frame.write_csv(path)
    return path


def semicolons(frame: pl.DataFrame, folder: Path) -> Path:
    """Write semicolons, decimal commas and Latin-1, as a spreadsheet of Western Europe does."""
    path = folder / "data.csv"
    text = frame.write_csv(separator=";", decimal_comma=True)
    path.write_bytes(text.encode("latin-1", "replace"))
    return path


def tabs(frame: pl.DataFrame, folder: Path) -> Path:
    """Write tabs and a mark of UTF-16."""
    path = folder / "data.txt"
    path.write_bytes(frame.write_csv(separator="\t").encode("utf-16"))
    return path


def no_header(frame: pl.DataFrame, folder: Path) -> Path:
    """Write no names of columns."""
    path = folder / "data.csv"
    frame.write_csv(path, include_header=False)
    return path


def packed(frame: pl.DataFrame, folder: Path) -> Path:
    """Write a file of gzip."""
    path = folder / "data.csv.gz"
    path.write_bytes(gzip.compress(frame.write_csv().encode(), compresslevel=1, mtime=0))
    return path


def file_a_day(frame: pl.DataFrame, folder: Path) -> Path:
    """Write a folder of files, every other one with its columns the other way round."""
    days = folder / "days"
    days.mkdir()
    part = -(-frame.height // DAYS)
    for day in range(DAYS):
        rows = frame.slice(day * part, part)
        rows = rows.select(reversed(rows.columns)) if day % 2 else rows
        rows.write_csv(days / f"2026-01-{day + 1:02}.csv")
    return days


VARIANTS: dict[str, Callable[[pl.DataFrame, Path], Path]] = {
    "commas": commas,
    "semicolons, decimal commas, Latin-1": semicolons,
    "tabs, UTF-16": tabs,
    "no header": no_header,
    "gzip": packed,
    "one file a day": file_a_day,
}


def whole_customers(frame: pl.DataFrame, customer: str, one_in: int) -> pl.DataFrame:
    """Return the rows of one customer in so many, drawn by a hash that does not change."""
    drawn = pl.col(customer).cast(pl.String()).map_elements(_hash, return_dtype=pl.Int64())
    return frame.filter(drawn % one_in == 0)


def _hash(text: str) -> int:
    from zlib import crc32

    return crc32(text.encode())
