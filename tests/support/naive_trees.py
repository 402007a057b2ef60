"""Trees scored in the plainest way, for the fast ones to be held against."""

import numpy as np
from numpy.typing import NDArray


def walked(text: str, x: NDArray[np.float32]) -> list[float]:
    """Score rows by walking down each tree, in plain Python: the reference."""
    totals = [0.0] * len(x)
    for block in text.split("end of trees")[0].split("\nTree=")[1:]:
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        values = [float(value) for value in fields["leaf_value"].split()]
        columns = [int(value) for value in fields.get("split_feature", "").split()]
        limits = [float(value) for value in fields.get("threshold", "").split()]
        left = [int(value) for value in fields.get("left_child", "").split()]
        right = [int(value) for value in fields.get("right_child", "").split()]
        for at, row in enumerate(x.astype(np.float64)):
            node = 0 if columns else -1
            while node >= 0:
                node = left[node] if row[columns[node]] <= limits[node] else right[node]
            totals[at] += values[~node]
    return totals
