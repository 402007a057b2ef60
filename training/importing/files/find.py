"""Which files a name in a mapping means: a file, one without its ending, a folder, a pattern."""

import errno
from glob import glob, has_magic
from pathlib import Path

from models.errors import BadDataset

PARQUET = (".parquet", ".pq")
TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat")
JSON_LINES = (".jsonl", ".ndjson")
COMPRESSED = (".gz", ".zip", ".zst", ".bz2", ".xz")
ENDINGS = (*PARQUET, *TEXT, *JSON_LINES)
_SHOWN = ".parquet, .csv, .tsv, .txt, .dat or .jsonl, of text also packed as .gz, .zip or .zst"


def find_sources(directory: Path, name: str) -> list[Path]:
    """Return the files below `directory` that `name` means, sorted; at least one.

    A name is that of a file, with or without its ending, of a folder, whose files of known endings
    are meant, or a pattern such as `days/*.csv`. Raises `FileNotFoundError` where there is none,
    `BadDataset` where it is of no known ending.
    """
    path = directory / name
    if path.is_file():
        if kind_of(path) is None:
            raise BadDataset(f"{path}: ends in none of {_SHOWN}")
        return [path]
    if path.is_dir():
        found = [inside for inside in sorted(path.iterdir()) if is_source(inside)]
        return found or _absent(path, f"holds no file that ends in {_SHOWN}")
    if has_magic(name):
        # Of an absolute pattern, too, which a path's own `glob` refuses.
        matches = map(Path, sorted(glob(str(path), recursive=True)))  # noqa: PTH207
        return [one for one in matches if is_source(one)] or _absent(path, "matches no file")
    if path.suffix in (*ENDINGS, *COMPRESSED):
        return _absent(path, "not found")
    for ending in (*ENDINGS, *(a + b for a in (*TEXT, *JSON_LINES) for b in COMPRESSED), ".zip"):
        candidate = path.with_name(path.name + ending)
        if candidate.is_file():
            return [candidate]
    return _absent(path, f"not found, with none of the endings {_SHOWN}")


def is_source(path: Path) -> bool:
    """Tell whether a path is a file of an ending that is read, and not hidden."""
    return path.is_file() and kind_of(path) is not None and not path.name.startswith(".")


def kind_of(path: Path) -> str | None:
    """Return "parquet", "text" or "json_lines" by the name of a file, or None for another one."""
    inner = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    ending = inner.suffix.lower()
    if ending in PARQUET and inner is path:
        return "parquet"
    if ending in JSON_LINES:
        return "json_lines"
    if ending in TEXT or inner is not path:
        return "text"
    return None


def _absent(path: Path, reason: str) -> list[Path]:
    raise FileNotFoundError(errno.ENOENT, reason, str(path))
