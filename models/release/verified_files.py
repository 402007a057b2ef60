"""The files of a release, each opened once: what was verified is what is parsed.

A file can change between two looks at it. So every file is opened below one descriptor of its
directory, without following a link or waiting for the other end of a pipe, and all that is said of
it is said of the bytes that came out of that one descriptor.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.canonical import NotCanonical, decode_canonical
from models.errors import BadRelease

T = TypeVar("T")

SMALL = 4 << 20  # bytes that a file may have whose size nobody has declared
_NAME = 64  # characters of a foreign name that are told

Bytes = NDArray[np.uint8]


class FileDigest(msgspec.Struct, frozen=True):
    """What a content file must be."""

    sha256: str
    size: int


class ReleaseFiles:
    """An open directory; every error is a `BadRelease` that names the file."""

    def __init__(self, directory: Path) -> None:
        try:
            self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise BadRelease(f"release: {_reason(error)}") from None

    def __enter__(self) -> "ReleaseFiles":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._directory)

    def names(self) -> list[str]:
        """Return the names of all entries, sorted."""
        return sorted(os.listdir(self._directory))  # noqa: PTH208 (a descriptor has no path)

    def small(self, name: str) -> bytes:
        """Return the content of a file of at most 4 MiB whose digest is not known."""
        with self._open(name) as (file, size):
            data = file.read(SMALL + 1)
            if max(size, len(data)) > SMALL:
                raise BadRelease(f"{name}: too large; max {SMALL:,} bytes")
            return data

    def verify(self, name: str, wanted: FileDigest) -> None:
        """Verify size and digest, keeping nothing."""
        with self._open(name) as (file, size):
            if size != wanted.size:
                raise BadRelease(f"{name}: size mismatch")
            # Not more than was declared, however fast the file may grow.
            digest = hashlib.sha256()
            left = size + 1
            while chunk := file.read(min(left, 1 << 20)):
                digest.update(chunk)
                left -= len(chunk)
            _check(name, digest.hexdigest(), size + 1 - left, wanted)

    def read(self, name: str, wanted: FileDigest) -> Bytes:
        """Return the content of a file, of which size and digest were verified."""
        with self._open(name) as (file, size):
            if size != wanted.size:
                raise BadRelease(f"{name}: size mismatch")
            data = np.empty(size, np.uint8)  # not a bytearray, which is filled with zeros first
            got = file.readinto(data.data) + len(file.read(1))
            _check(name, hashlib.sha256(data.data).hexdigest(), got, wanted)
            return data

    @contextmanager
    def _open(self, name: str) -> Iterator[tuple[BufferedReader, int]]:
        """Yield an open plain file and its size."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        try:
            # Opening a device may act on it: look before, and again at what was opened.
            before = os.stat(name, dir_fd=self._directory, follow_symlinks=False)
            if not stat.S_ISREG(before.st_mode):
                raise BadRelease(f"{name}: not a plain file")
            descriptor = os.open(name, flags, dir_fd=self._directory)
            with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor has no path)
                now = os.fstat(descriptor)
                if not stat.S_ISREG(now.st_mode):
                    raise BadRelease(f"{name}: not a plain file")
                yield file, now.st_size
        except OSError as error:
            raise BadRelease(f"{name}: {_reason(error)}") from None


def read_json(name: str, data: bytes, type_: type[T]) -> T:
    """Return what the canonical JSON of a file says; raises `BadRelease`."""
    try:
        return decode_canonical(data, type_)
    except NotCanonical as error:
        raise BadRelease(f"{name}: {error}") from None


def foreign(name: str) -> str:
    """Return a name that is not ours as it may be told: escaped and short."""
    return ascii(name[:_NAME])[: _NAME + 2]


def _check(name: str, digest: str, size: int, wanted: FileDigest) -> None:
    if size != wanted.size:
        raise BadRelease(f"{name}: size mismatch")
    if digest != wanted.sha256:
        raise BadRelease(f"{name}: digest mismatch")


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "missing"
    return f"cannot be read: {os.strerror(error.errno) if error.errno else 'unknown'}"
