"""Files of a store that nobody but its owner may read, whatever the umask."""

import os
from contextlib import suppress
from pathlib import Path

OWNER_ONLY = 0o600


def make_private(path: Path) -> None:
    """Make an empty file; one that is there stays as it is. Raises `OSError`."""
    with suppress(FileExistsError):
        os.close(private_opener(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def private_opener(path: str, flags: int) -> int:
    """Open for `open` a file that must be new, for its owner alone."""
    descriptor = os.open(path, flags, OWNER_ONLY)
    os.fchmod(descriptor, OWNER_ONLY)  # the umask may have taken more away
    return descriptor
