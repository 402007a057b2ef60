"""Read one file, of whatever kind, as a table of raw columns."""

from pathlib import Path

import polars as pl

from training.importing.files.delimited import read_delimited
from training.importing.files.file_format import FileFormat
from training.importing.files.find import kind_of
from training.importing.files.json_lines import read_json_lines
from training.importing.files.names import ROW
from training.importing.files.parquet import read_parquet
from training.importing.files.unreadable import Unreadable

# Blanks that `str.isspace` knows, and those that are none to it and cannot be seen either.
_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\ufeff"

# A number that a program wrote which knew it as one with a fraction.
AS_FLOAT = r"^-?\d+(\.0+|(\.\d+)?[eE][+-]?\d+)$"


def read_file(
    path: Path, written: FileFormat, limit: int | None = None
) -> tuple[pl.DataFrame, Unreadable]:
    """Return the rows of a file, or the first `limit`, with `ROW`, and those that cannot be read.

    Text gives texts alone, so that no value can stop the reading. They are without blanks around
    them; those that are empty, or mean nothing, are null.
    """
    reject = Unreadable()
    kind = kind_of(path)
    if kind == "parquet":
        frame = read_parquet(path, written, reject)
        frame = frame.head(limit) if limit else frame
    elif kind == "json_lines":
        frame = read_json_lines(path, written, reject, limit)
    else:
        frame = read_delimited(path, written, reject, limit)
    texts = pl.col(pl.String())
    nothing = pl.Series(["", *written.null], dtype=pl.String())
    frame = frame.with_columns(texts.str.strip_chars(_BLANKS))
    frame = frame.with_columns(pl.when(~texts.is_in(nothing.implode())).then(texts))
    named = [name for name in written.whole if name in frame.columns]
    frame = frame.with_columns(whole_ids(frame[name]) for name in named)
    return frame.select(ROW, pl.exclude(ROW)), reject


def whole_ids(values: pl.Series) -> pl.Series:
    """Return texts such as 5863.0 and 5.863e+03 as whole numbers; others as they are."""
    if values.dtype != pl.String():
        return values
    numbers = values.set(~values.str.contains(AS_FLOAT), None).cast(pl.Float64(), strict=False)
    exact = (numbers == numbers.round()) & (numbers.abs() < 2.0**53)
    whole = numbers.set(~exact, None).cast(pl.Int64()).cast(pl.String())
    return whole.fill_null(values)
