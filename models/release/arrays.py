"""The arrays of a release: which there are, what each must be, and how their files are read."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import BadRelease
from models.numeric.fixed import BIAS_LIMIT, LIMIT
from models.numeric.npy import NotAnArray, read_array
from models.release.verified_files import Bytes

# Axes that are no list of names: the first array that has one says how long it is.
DIMENSIONS, NEIGHBOURS = "dimensions", "neighbours"
DIMENSIONS_LIMIT = 1024
WEIGHT_LIMIT = 1e12  # 64 of them still add up in float32
FEATURE_LIMIT = 1e6  # sums and products of what the second stage multiplies stay finite in float32


class Layout(NamedTuple):
    """What an array file of a release must be.

    `axes` are lists of names, or free. Every value is finite and below `limit` in size; `bias` is
    the limit of the last column instead. `positive` values are above 0. What the numbers of rows in
    an array of whole numbers mean is checked where they are put together.
    """

    axes: tuple[str, ...]
    limit: float = LIMIT
    bias: float | None = None
    positive: bool = False
    dtype: str = "<f4"


ARRAYS: Mapping[str, Layout] = {
    "item_vectors": Layout(("items", DIMENSIONS)),
    "item_feature_vectors": Layout(("item_features", DIMENSIONS)),
    "user_feature_vectors": Layout(("user_features", DIMENSIONS), bias=BIAS_LIMIT),
    "popularity": Layout(("segments", "items")),
    "item_weights": Layout(("items",), limit=WEIGHT_LIMIT, positive=True),
}
STAGE_ARRAYS: Mapping[str, Layout] = {
    "table_lanes": Layout(("tables", "lanes"), limit=FEATURE_LIMIT),
    "table_starts": Layout(("lists and one",), limit=math.inf, dtype="<i8"),
    "table_rows": Layout((NEIGHBOURS,), limit=math.inf, dtype="<i4"),
    "table_weights": Layout((NEIGHBOURS,), limit=FEATURE_LIMIT, positive=True),
    "item_facts": Layout(("items", "ranker item features"), limit=FEATURE_LIMIT),
    "popular": Layout(("items",), limit=math.inf, dtype="<i8"),
}


def check_arrays(
    layouts: Mapping[str, Layout], lengths: Mapping[str, int], data: Mapping[str, Bytes]
) -> dict[str, NDArray[Any]]:
    """Return the arrays of `layouts` by name, from the content of their files.

    `lengths` are those of the lists of names. Raises `BadRelease` for an array that is not what it
    must be.
    """
    arrays: dict[str, NDArray[Any]] = {}
    sizes = dict(lengths)
    for name, layout in layouts.items():
        file = f"{name}.npy"
        try:
            array = read_array(data[file], layout.dtype)
        except NotAnArray as error:
            raise BadRelease(f"{file}: {error}") from None
        if array.ndim == len(layout.axes):
            for axis, length in zip(layout.axes, array.shape, strict=True):
                if axis not in sizes and axis in (DIMENSIONS, NEIGHBOURS):
                    sizes[axis] = _dimensions(file, length) if axis == DIMENSIONS else length
        wanted = tuple(sizes.get(axis, 0) for axis in layout.axes)
        if array.shape != wanted:
            raise BadRelease(f"{file}: shape {_shape(array.shape)}; want {_shape(wanted)}")
        _check_values(file, array, layout)
        arrays[name] = array
    return arrays


def _dimensions(file: str, dimensions: int) -> int:
    if dimensions % 8 or not 0 < dimensions <= DIMENSIONS_LIMIT:
        raise BadRelease(
            f"{file}: dimension {dimensions}; want a multiple of 8 up to {DIMENSIONS_LIMIT:,}"
        )
    return dimensions


def _check_values(file: str, array: NDArray[Any], layout: Layout) -> None:
    if array.size == 0:
        return
    # The least and the greatest are not finite if any value is not: no copy of a large array.
    if not (math.isfinite(array.min()) and math.isfinite(array.max())):
        bad = ~np.isfinite(array)
        rows = int(bad.reshape(len(array), -1).any(axis=1).sum())
        raise BadRelease(f"{file}: {rows:,} rows not finite")
    plain, last = (array, array[..., :0]) if layout.bias is None else (array[:, :-1], array[:, -1:])
    for part, limit in ((plain, layout.limit), (last, layout.bias or 0.0)):
        if part.size and max(-float(part.min()), float(part.max())) >= limit:
            raise BadRelease(f"{file}: not below {limit:g}")
    if layout.positive and array.min() <= 0:
        raise BadRelease(f"{file}: not positive")


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(str(number) for number in shape[:4])})"
