"""Prints what the packages of this Python weigh on disk, the heaviest first."""

import sys
from pathlib import Path

MIB = 2**20
SHOWN = 8


def weight(path: Path) -> float:
    """Return the MiB that a file, or everything under a directory, takes on disk."""
    files = (path, *path.rglob("*")) if path.is_dir() else (path,)
    return sum(file.lstat().st_blocks * 512 for file in files) / MIB


site = next(Path(entry) for entry in sys.path if entry.endswith("site-packages"))
weights = sorted(((weight(path), path.name) for path in site.iterdir()), reverse=True)
rest = sum(one for one, _ in weights[SHOWN:])
for mebibytes, name in [*weights[:SHOWN], (rest, f"{len(weights) - SHOWN} others")]:
    print(f"{mebibytes:7.1f} MiB  {name}")
