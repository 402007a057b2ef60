"""The lock that makes a process the one server of an embedded store."""

import fcntl
from pathlib import Path
from typing import BinaryIO

from models.errors import StoreUnavailable
from service.store.database.private_files import make_private


def lock_directory(directory: Path) -> BinaryIO:
    """Return the lock of a directory, which is made if it is not there.

    Held until it is closed or the process ends, however it ends. Raises `StoreUnavailable` when
    another process holds it, or when the directory cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_private(directory / "server.lock")
        file = (directory / "server.lock").open("ab")
    except OSError as error:
        raise StoreUnavailable(f"{directory}: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise StoreUnavailable(
            f"{directory}: another server uses this store; several servers need Redis"
        ) from None
    return file
