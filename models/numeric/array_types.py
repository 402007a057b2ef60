"""The arrays that travel between the parts: what each name says of dtype and meaning."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]  # row numbers of a table
Fixed = NDArray[np.int64]  # numbers in units of 2^-20
Table = NDArray[np.int32]  # numbers in units of 2^-20, narrow: vectors
Mask = NDArray[np.bool_]  # one truth for each row
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

NO_ROWS: Rows = np.empty(0, np.int64)
