"""Arrays in one file that processes of a machine map into their memory: the pages are there once.

Behind 8 bytes with the length of the header stands the header, msgpack: name, dtype, shape and
offset of each array; behind that the arrays, each at a multiple of 64 bytes. Who maps the file may
write to its arrays: it then has copies of just the pages it wrote to, and the file stays as it is.
"""

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

_ALIGNED = 64
_LENGTH = 8


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int  # behind the header


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to a file; raises `OSError`, and may leave half of it then."""
    entries, at = [], 0
    for name, array in arrays.items():
        at = _aligned(at)
        entries.append(_Entry(name, array.dtype.str, array.shape, at))
        at += array.nbytes
    header = msgspec.msgpack.encode(entries)
    begin = _aligned(_LENGTH + len(header))
    with path.open("wb") as file:
        file.write(len(header).to_bytes(_LENGTH, "little"))
        file.write(header)
        for entry, array in zip(entries, arrays.values(), strict=True):
            file.write(b"\0" * (begin + entry.offset - file.tell()))
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def map_arrays(path: Path) -> Arrays:
    """Map the arrays of a file that `write_arrays` wrote; raises `OSError`."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    length = int.from_bytes(mapped[:_LENGTH], "little")
    header = mapped[_LENGTH : _LENGTH + length]
    entries = msgspec.msgpack.decode(header, type=list[_Entry])
    begin = _aligned(_LENGTH + length)
    return {entry.name: _array(mapped, begin, entry) for entry in entries}


def nested(name: str, arrays: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the arrays of a part under names that begin with its own."""
    for inner, array in arrays.items():
        yield f"{name}.{inner}", array


def part(name: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return the arrays of a part by the names that it has for them."""
    front = f"{name}."
    return {key[len(front) :]: array for key, array in arrays.items() if key.startswith(front)}


def _array(mapped: mmap.mmap, begin: int, entry: _Entry) -> NDArray[Any]:
    dtype, size = np.dtype(entry.dtype), int(np.prod(entry.shape, dtype=np.int64))
    if not size:
        return np.empty(entry.shape, dtype)
    return np.frombuffer(mapped, dtype, size, begin + entry.offset).reshape(entry.shape)


def _aligned(at: int) -> int:
    return -(-at // _ALIGNED) * _ALIGNED
