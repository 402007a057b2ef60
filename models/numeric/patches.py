"""Arrays that readers hold on to: a change is made to a copy, where it changes anything."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def patched(array: NDArray[Any], rows: Sequence[int], values: Sequence[Any]) -> NDArray[Any]:
    """Return `array` (n,) with `values` at `rows`: itself where it has them already."""
    if not len(rows):
        return array
    at, new = np.asarray(rows, np.int64), np.asarray(values, array.dtype)
    if np.array_equal(array[at], new):
        return array
    copied = array.copy()
    copied[at] = new
    return copied
