"""The tables that files make up, each with a sample and how it is written."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from glob import glob
from itertools import takewhile
from pathlib import Path

import polars as pl

from models.errors import BadDataset
from training.importing.files.delimited import first_record
from training.importing.files.file_format import FileFormat
from training.importing.files.find import find_sources, is_source, kind_of
from training.importing.files.names import ROW
from training.importing.files.read import read_file
from training.importing.guess.columns import Column
from training.importing.guess.encodings import guess_encoding
from training.importing.guess.words import ROLES, TYPES, meaning, score

SAMPLE = 500_000  # rows of a table that are looked at
FILES = 40  # of the files of one table


@dataclass(frozen=True)
class Table:
    """Files that are one table: `name` is what a mapping calls them."""

    name: str
    paths: Sequence[Path]
    written: FileFormat
    columns: Sequence[Column]
    whole: bool  # whether the sample is all of it

    @property
    def stem(self) -> str:
        """What the files are called, without folders and endings."""
        return self.paths[0].name.split(".")[0] if len(self.paths) == 1 else self.name

    @property
    def short(self) -> str:
        """What the table is called where there is no need for its folder."""
        return Path(self.name).name

    @property
    def extent(self) -> str:
        """How many rows were looked at, in words."""
        return f"{self.rows:,} rows" if self.whole else f"the first {self.rows:,} rows"

    @property
    def rows(self) -> int:
        """How many rows the sample has."""
        return len(self.columns[0].raw) if self.columns else 0


def tables_of(names: Iterable[str], directory: Path) -> list[Table]:
    """Return the tables of files, folders and patterns, named as seen from `directory`.

    Files of one folder with the same columns are one table, unless their names say that different
    things happened.
    """
    paths: dict[Path, None] = {}
    for name in names:
        paths.update(dict.fromkeys(find_sources(Path(), name)))
    groups: dict[tuple[object, ...], list[tuple[Path, FileFormat]]] = {}
    for path in paths:
        written, columns = _written(path)
        said = meaning(re.sub(r"\d", " ", path.name.split(".")[0]), TYPES)
        key = (path.parent, kind_of(path), frozenset(columns), said)
        groups.setdefault(key, []).append((path, written))
    found = []
    for group in groups.values():
        pattern = _pattern([path for path, _ in group], directory)
        parts = [group] if pattern is not None else [[one] for one in group]
        for part in parts:
            files = [path for path, _ in part]
            found.append(_table(pattern or _relative(files[0], directory), files, _common(part)))
    return found


def _relative(path: Path, directory: Path) -> str:
    return Path(os.path.relpath(path, directory)).as_posix()


def _pattern(paths: Sequence[Path], directory: Path) -> str | None:
    """Return a name that means these files and no others, or None."""
    if len(paths) == 1:
        return _relative(paths[0], directory)
    folder = paths[0].parent
    if sorted(paths) == sorted(filter(is_source, folder.iterdir())):
        return _relative(folder, directory)
    names = [path.name for path in paths]
    start, end = _shared(names), _shared([name[::-1] for name in names])[::-1]
    pattern = folder / f"{start}*{end}"
    matched = [Path(name) for name in glob(str(pattern))]  # noqa: PTH207, as an import does
    return _relative(pattern, directory) if sorted(matched) == sorted(paths) else None


def _shared(names: Sequence[str]) -> str:
    """Return what all names begin with."""
    signs = takewhile(lambda signs: len(set(signs)) == 1, zip(*names, strict=False))
    return "".join(first for first, *_ in signs)


def _written(path: Path) -> tuple[FileFormat, list[str]]:
    """Return how a file is written, as far as it must be said, and the names of its columns."""
    if kind_of(path) != "text":
        return FileFormat(), read_file(path, FileFormat(), 1)[0].columns
    encoding = guess_encoding(path)
    first = first_record(path, FileFormat(encoding=encoding))
    if not first:
        raise BadDataset(f"{path}: has no rows; leave it out")
    if _is_header(first):
        return FileFormat(encoding=encoding), first
    names = [f"column_{place}" for place in range(1, len(first) + 1)]
    return FileFormat(encoding=encoding, columns=names), names


def _is_header(fields: Sequence[str]) -> bool:
    """Tell whether a first row names columns: distinct words, none of them a number or a time."""
    named = [field.strip() for field in fields if field.strip()]
    if not named or len(set(named)) < len(named):
        return False
    if any(re.fullmatch(r"[\d.,:;/\-+ TZ]+", field) for field in named):
        return False
    known = sum(any(score(field, role) for role in ROLES) for field in named)
    return known > 0 and all(len(field) <= 64 for field in named)


def _common(part: Sequence[tuple[Path, FileFormat]]) -> FileFormat:
    """Return one way of writing for the files of a table; text of one byte a sign wins."""
    for _, written in part:
        if written.encoding is not None:
            return written
    return part[0][1]


def _table(name: str, paths: Sequence[Path], written: FileFormat) -> Table:
    looked_at = paths if len(paths) <= FILES else [*paths[:: max(1, len(paths) // FILES)]][:FILES]
    limit = SAMPLE // len(looked_at)
    frames = [read_file(path, written, limit)[0] for path in looked_at]
    whole = len(looked_at) == len(paths) and all(frame.height < limit for frame in frames)
    frame = pl.concat(frames, how="diagonal_relaxed").drop(ROW)
    columns = [Column(column.name, column, written) for column in frame]
    return Table(name, paths, written, columns, whole)
