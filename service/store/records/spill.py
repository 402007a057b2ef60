"""Files where decision records wait while the database is away: length and CRC-32 before each."""

import fcntl
import itertools
import os
import secrets
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from service.store.database.backend import SealedDecision
from service.store.database.private_files import private_opener

SPILL_BYTES = 64 << 20

_FRAME = struct.Struct(">II")  # length, CRC-32


class Spill:
    """The file of one process in a directory, and those that processes before it left there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: BinaryIO | None = None
        self._end = 0  # of the whole frames in it: a write that a full disk cut off is written over
        self.size = 0
        self._left = _adopt(directory)
        self.size = sum(os.fstat(file.fileno()).st_size for file in self._left)

    def append(self, decisions: Sequence[SealedDecision]) -> int:
        """Write decisions; return how many there was no room for."""
        frames = []
        for decision in decisions:
            payload = msgspec.msgpack.encode(decision)
            frames.append(_FRAME.pack(len(payload), zlib.crc32(payload)) + payload)
        fitting = list(itertools.takewhile(self._fits, itertools.accumulate(map(len, frames))))
        if not fitting:
            return len(frames)
        try:
            if self._file is None:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                path = self._directory / f"decisions-{secrets.token_hex(6)}.spill"
                self._file = open(path, "x+b", buffering=0, opener=private_opener)  # noqa: SIM115
                fcntl.flock(self._file, fcntl.LOCK_EX)
            # Not buffered: what was not written must not be tried again behind what is later.
            written = os.pwrite(self._file.fileno(), b"".join(frames[: len(fitting)]), self._end)
            if written < fitting[-1]:
                raise OSError("cut off")
        except OSError:
            self._cut()
            return len(frames)
        self._end += fitting[-1]
        self.size += fitting[-1]
        return len(frames) - len(fitting)

    def _cut(self) -> None:
        """Take back a write that was cut off, so that a reader meets whole frames only."""
        if self._file is not None:
            with suppress(OSError):
                os.ftruncate(self._file.fileno(), self._end)

    def _fits(self, more: int) -> bool:
        return self.size + more <= SPILL_BYTES

    def read(self) -> Iterator[SealedDecision | None]:
        """Yield what was spilled; None for a damaged frame, and for a damaged end of a file."""
        for file in self._files():
            file.seek(0)
            while header := file.read(_FRAME.size):
                payload = b""
                if len(header) == _FRAME.size:
                    length, checksum = _FRAME.unpack(header)
                    payload = file.read(length) if length <= SPILL_BYTES else b""
                if not payload or len(payload) != length:
                    yield None
                    break
                if zlib.crc32(payload) != checksum:
                    yield None
                    continue
                try:
                    yield msgspec.msgpack.decode(payload, type=SealedDecision)
                except msgspec.DecodeError:
                    yield None  # of another version

    def clear(self) -> None:
        """Forget what was spilled."""
        for file in self._files():
            Path(file.name).unlink(missing_ok=True)
            file.close()
        self._left, self._file, self._end, self.size = [], None, 0, 0

    def close(self) -> None:
        """Leave what was spilled to the next process."""
        for file in self._files():
            file.close()

    def _files(self) -> list[BinaryIO]:
        return [*self._left, *([] if self._file is None else [self._file])]


def _adopt(directory: Path) -> list[BinaryIO]:
    """Open, locked, the files that no living process holds."""
    files: list[BinaryIO] = []
    for path in sorted(directory.glob("decisions-*.spill")):
        with suppress(OSError), ExitStack() as opened:
            file = opened.enter_context(path.open("r+b"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            opened.pop_all()
            files.append(file)
    return files
