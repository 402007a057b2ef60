"""Which files a name in a mapping means: a file, one without its ending, a folder, a pattern."""

import errno
from collections.abc import Iterable
from glob import glob, has_magic
from pathlib import Path

from models.errors import BadDataset
from training.importing.files.opened import MARKS

PARQUET = (".parquet", ".pq")
TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat")
JSON_LINES = (".jsonl", ".ndjson")
COMPRESSED = (".gz", ".zip", ".zst", ".bz2", ".xz")
ENDINGS = (*PARQUET, *TEXT, *JSON_LINES)
_START = 4096  # bytes that tell text from anything else


def find_sources(directory: Path, name: str) -> list[Path]:
    """Return the files below `directory` that `name` means, sorted; at least one.

    A name is that of a file, with or without its ending, of a folder, or a pattern such as
    `days/*.csv`. Of a folder or a pattern the files of known endings are meant, or, where there are
    none, those that hold text. Raises `FileNotFoundError` for what is absent, `BadDataset` for what
    is there and holds nothing that can be read.
    """
    path = directory / name
    if path.is_file():
        if kind_of(path) is None:
            raise BadDataset(f"{path}: is neither text nor Parquet; make it one, such as .csv")
        return [path]
    if path.is_dir():
        return _readable(path, path.iterdir())
    if has_magic(name):
        # Of an absolute pattern, too, which a path's own `glob` refuses.
        return _readable(path, map(Path, glob(str(path), recursive=True)))  # noqa: PTH207
    if path.suffix not in (*ENDINGS, *COMPRESSED):
        packed = (a + b for a in (*TEXT, *JSON_LINES) for b in COMPRESSED)
        for ending in (*ENDINGS, *packed, ".zip"):
            candidate = path.with_name(path.name + ending)
            if candidate.is_file():
                return [candidate]
    raise FileNotFoundError(errno.ENOENT, "not found", str(path))


def readable(paths: Iterable[Path]) -> list[Path]:
    """Return those of `paths` that are files which can be read, and not hidden, sorted."""
    return [path for path in sorted(paths) if _is_seen(path) and kind_of(path) is not None]


def kind_of(path: Path) -> str | None:
    """Return "parquet", "text" or "json_lines" by the name of a file, else by what it begins with.

    None for what is none of them.
    """
    inner = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    ending = inner.suffix.lower()
    if ending in PARQUET and inner is path:
        return "parquet"
    if ending in JSON_LINES:
        return "json_lines"
    if ending in TEXT or inner is not path:
        return "text"
    return _kind_by_start(path)


def _kind_by_start(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(_START)
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.lstrip().startswith(b"{"):
        return "json_lines"
    marked = any(start.startswith(mark) for mark, _ in MARKS)
    return "text" if start and (marked or 0 not in start) else None


def _is_seen(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _readable(path: Path, inside: Iterable[Path]) -> list[Path]:
    """Return the files `inside` a folder, or that match a pattern, that are one table."""
    files = sorted(filter(_is_seen, inside))
    known = [one for one in files if _has_known_ending(one)]
    # Beside files of known endings others are notes, licences and marks of who wrote them.
    found = known or readable(files)
    if not found:
        what = "is empty" if path.is_dir() else "matches no file"
        if files:
            what = f"holds neither text nor Parquet: {', '.join(one.name for one in files[:5])}"
        raise BadDataset(f"{path}: {what}")
    return found


def _has_known_ending(path: Path) -> bool:
    return path.suffix.lower() in (*ENDINGS, *COMPRESSED)
