"""The files that a name in a mapping means, as one table; each with a tally and its rejects."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from training.importing.files.file_format import FileFormat
from training.importing.files.names import FILE
from training.importing.files.read import read_file
from training.importing.rejects import Rejects, Tally


def read_sources(
    paths: Sequence[Path], directory: Path, table: str, written: FileFormat, rejects: Rejects
) -> pl.DataFrame:
    """Return the rows of all files that can be read, with `ROW` and `FILE`, by columns' names.

    Each file gets a tally in `rejects`, its rows that cannot be read become rejects.
    """
    frames = []
    for path in paths:
        tally = Tally(file=_shown(path, directory), table=table)
        rejects.tallies.append(tally)
        frame, unreadable = read_file(path, written)
        for column, reason, rows, texts in unreadable.by_reason():
            values = pl.Series(texts, dtype=pl.String())
            rejects.add(tally.file, pl.Series(rows), column, reason, values)
        tally.read = frame.height + len(unreadable)
        index = pl.lit(len(rejects.tallies) - 1, dtype=pl.Int64())
        frames.append(frame.with_columns(index.alias(FILE)))
    columns = {frozenset(frame.columns) for frame in frames}
    if len(columns) > 1:
        some = sorted(frozenset.union(*columns) - frozenset.intersection(*columns))
        rejects.notes.append(f"only some of the files have the columns {', '.join(some)}")
    return pl.concat(frames, how="diagonal_relaxed") if len(frames) > 1 else frames[0]


def _shown(path: Path, directory: Path) -> str:
    """Return how a file is called in what is told: its path below the folder of the sources."""
    below = path.is_relative_to(directory) and ".." not in path.relative_to(directory).parts
    return str(path.relative_to(directory)) if below else path.name
