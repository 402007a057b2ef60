"""A file opened as text: unpacked, and in the encoding that is declared or that it begins with."""

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import zstandard

from models.errors import BadDataset, BadInput

# The longer first: the mark of UTF-32 begins as that of UTF-16 does.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DAMAGED = (
    *(gzip.BadGzipFile, zlib.error, EOFError, lzma.LZMAError, zipfile.BadZipFile),
    *(zstandard.ZstdError, NotImplementedError),
)
UNDECODED = range(0xDC80, 0xDD00)  # what stands for a byte that is not of the encoding


@contextmanager
def opened(path: Path, encoding: str | None) -> Iterator[TextIO]:
    """Open `path` as text, line ends as they are; bytes not of the encoding become `UNDECODED`.

    Raises `BadDataset` where it cannot be unpacked, or not be decoded at all.
    """
    try:
        with unpacked(path) as file:
            encoding = encoding_of(path, encoding)
            text = io.TextIOWrapper(file, encoding, "surrogateescape", newline="")
            yield text
    except UnicodeError as error:
        raise BadDataset(
            f"{path}: is not {encoding}: {getattr(error, 'reason', error)}; say its encoding: "
            'read = { encoding = "..." }'
        ) from None
    except _DAMAGED as error:
        raise BadDataset(f"{path}: cannot be unpacked: {error}; make the file again") from None


def encoding_of(path: Path, declared: str | None) -> str:
    """Return the declared encoding, or that of the mark a file begins with, or UTF-8."""
    with unpacked(path) as file:
        start = file.read(4)
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    if declared is None:
        return marked or "utf-8"
    name = codecs.lookup(declared).name
    return "utf-8-sig" if name == "utf-8" else name


def check_encoding(name: str, key: str) -> None:
    """Raise `BadInput` unless Python knows the text encoding `name`."""
    try:
        b"".decode(name)
    except LookupError:
        raise BadInput(
            key, f"{name!r} is not an encoding, such as utf-8, cp1252, latin-1 or utf-16"
        ) from None


def undecoded(text: str) -> int | None:
    """Return the first byte in `text` that is not of the encoding, or None."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return ord(text[error.start]) - 0xDC00
    return None


def unpacked(path: Path) -> BinaryIO:
    """Open the bytes of a file, or of the one that is packed in it."""
    ending = path.suffix.lower()
    if ending == ".gz":
        return cast(BinaryIO, gzip.open(path))
    if ending == ".bz2":
        return cast(BinaryIO, bz2.open(path))
    if ending == ".xz":
        return cast(BinaryIO, lzma.open(path))
    if ending == ".zst":
        return io.BytesIO(_frames(path.read_bytes()))
    if ending == ".zip":
        return _only_member(path)
    return path.open("rb")


def _frames(packed: bytes) -> bytes:
    """Return what Zstandard frames hold; its own stream reader says nothing of one cut off."""
    parts = []
    while packed:
        frame = zstandard.ZstdDecompressor().decompressobj()
        parts.append(frame.decompress(packed))
        if not frame.eof:
            raise EOFError("it ends within a frame")
        packed = frame.unused_data
    return b"".join(parts)


def _only_member(path: Path) -> BinaryIO:
    archive = zipfile.ZipFile(path)
    names = [
        entry.filename
        for entry in archive.infolist()
        if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
    ]
    if len(names) != 1:
        raise BadDataset(
            f"{path}: holds {len(names)} files, and one is read from an archive; unpack it, and "
            "name the folder"
        )
    return cast(BinaryIO, archive.open(names[0]))
