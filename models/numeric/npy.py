"""Arrays in `.npy` files, read strictly: one dtype, C order, and not a byte too many.

numpy reads far more than a release holds (pickled objects, any dtype, either order) and evaluates
the header as Python. Here the header is exactly the text that numpy writes for the one dtype
wanted, and its shape must account for every byte that follows.
"""

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_ROWS = 1 << 31

_MAGIC = b"\x93NUMPY\x01\x00"
_PREAMBLE = len(_MAGIC) + 2  # and the header's length, little-endian
_ALIGNED = 64  # bytes: compiled code reads numbers only where they belong
_HEADER = re.compile(
    rb"\{'descr': '([^']{1,16})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,19}, ?)*(?:\d{1,19})?)\), \} *\n"
)


class NotAnArray(ValueError):
    """Bytes that are not such an array; the text says why."""


def read_array(data: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
    """Return the array in the bytes of a file, which it shares; raises `NotAnArray`.

    `dtype` is numpy's code of it, such as "<f4".
    """
    start = bytes(data[:_PREAMBLE])
    length = int.from_bytes(start[len(_MAGIC) :], "little")
    offset = _PREAMBLE + length
    header = _HEADER.fullmatch(bytes(data[_PREAMBLE:offset]))
    if not start.startswith(_MAGIC) or len(data) < offset or header is None:
        raise NotAnArray("not an array of version 1.0")
    if offset % _ALIGNED:
        raise NotAnArray("header not padded")
    if header[1] != dtype.encode():
        raise NotAnArray(f"dtype not allowed; want {dtype}")
    if header[2] == b"True":
        raise NotAnArray("Fortran order not allowed")
    shape = tuple(int(number) for number in header[3].split(b",") if number.strip())
    if any(number >= MOST_ROWS for number in shape):
        raise NotAnArray(f"shape not allowed; max {MOST_ROWS - 1:,} rows")
    if math.prod(shape) * np.dtype(dtype).itemsize != len(data) - offset:
        raise NotAnArray("shape and size differ")
    return data[offset:].view(dtype).reshape(shape)
