"""A small import to vary: one file of events, read by one mapping."""

import csv
from collections.abc import Mapping
from pathlib import Path

from training.importing.guess.guess import Guess, guess_mapping
from training.importing.import_dataset import Imported, import_dataset
from training.log.dataset import Dataset, read_dataset

ABOUT = '[dataset]\nkind = "timed"\nsource = "test"\nzone = "UTC"\nadd_missing_items = true\n'
EVENTS = """
[[events]]
file = "events"
namespace.const = "user"
identifier = "who"
type = { column = "what", map = { look = "view", buy = "purchase" } }
channel.const = "web"
time = "at"
item = "thing"
"""
HEADER = "who,what,at,thing\n"


def run(
    folder: Path, mapping: str, files: Mapping[str, str], max_rejects: float = 1.0
) -> tuple[Imported, Dataset]:
    """Import `files` by `mapping` and read the dataset."""
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "mapping.toml").write_text(mapping)
    out = folder / "out"
    imported = import_dataset(
        folder / "mapping.toml",
        out,
        source_dir=folder,
        reject_file=folder / "rejects.csv",
        max_rejects=max_rejects,
    )
    return imported, read_dataset(out)


def rejects(folder: Path) -> list[tuple[str, int, str, str]]:
    """Return (file, row, column, reason) of the reject file."""
    with (folder / "rejects.csv").open(newline="") as file:
        return [
            (row["file"], int(row["row"]), row["column"], row["reason"])
            for row in csv.DictReader(file)
        ]


def guessed(folder: Path, files: Mapping[str, str], *names: str) -> tuple[Guess, Dataset]:
    """Write `files`, guess a mapping of them or of `names`, and import by it."""
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    found = guess_mapping([str(folder / name) for name in names or files], folder)
    (folder / "mapping.toml").write_text(found.text, encoding="utf-8")
    import_dataset(
        folder / "mapping.toml",
        folder / "out",
        source_dir=folder,
        reject_file=folder / "rejects.csv",
        max_rejects=0.0,
    )
    return found, read_dataset(folder / "out")
