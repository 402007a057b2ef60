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
        frame = read_parquet(path).head(limit) if limit else read_parquet(path)
    elif kind == "json_lines":
        frame = read_json_lines(path, written, reject, limit)
    else:
        frame = read_delimited(path, written, reject, limit)
    texts = pl.col(pl.String())
    nothing = pl.Series(["", *written.null], dtype=pl.String())
    frame = frame.with_columns(texts.str.strip_chars(_BLANKS))
    frame = frame.with_columns(pl.when(~texts.is_in(nothing.implode())).then(texts))
    return frame.select(ROW, pl.exclude(ROW)), reject
