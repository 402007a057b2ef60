"""Files that a power cut leaves as they were or as they are to be, whole, under their name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EIO
from itertools import count
from pathlib import Path

_calls = count()


def replace_durably(path: Path, text: bytes, mode: int = 0o666) -> None:
    """Replace what is at `path`, or put it there, in one step that is on disk on return.

    `mode` is that of the file, less what the umask takes away. Raises `OSError` naming `path`; what
    was there is then still there.
    """
    # Of this call alone: others, of other processes too, may replace the same file meanwhile.
    scratch = path.with_name(f".{path.name}-{os.getpid()}-{next(_calls)}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(scratch, flags, mode), "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
        # The name is in the directory: without this it may still be that of the former file.
        sync_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            scratch.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from None


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have what a disk refuses while the block runs say where: some errors name no file."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        code = error.errno or EIO  # NumPy tells of a full disk without saying so
        raise OSError(code, os.strerror(code), str(path)) from None


def make_directory(directory: Path) -> None:
    """Make a directory, and those above that are missing, on disk on return."""
    if not directory.is_dir():
        make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    """Wait until the names in a directory are on disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Wait until what was written to a file is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
