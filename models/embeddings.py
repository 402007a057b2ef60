"""The customer's place among the items: one weighted sum of learned rows, in fixed point.

LightFM scores a pair as u.i + b_u + b_i. With the item's bias as last dimension of its vector, and
a 1 there in the customer's, one inner product gives u.i + b_i; b_u is the same for all offers of a
customer and is added to the score.
"""

from typing import NamedTuple

import numpy as np

from models.features import Column, attribute_columns, history_columns
from models.fixed import ONE, Fixed, dot, weighted_sum
from models.profile import View
from models.release import Release


class Customer(NamedTuple):
    """A customer in a release's space.

    `vector` (D,) and `bias` are in units of 2^-20; `columns` are the history columns the release
    knows, with their rows in `rows`; `segments` are rows of the release's popularity table. Without
    known columns the customer is cold.
    """

    vector: Fixed
    bias: int
    columns: list[Column]
    rows: list[int]
    segments: list[int]

    @property
    def cold(self) -> bool:
        """Tell whether the release knows nothing that this customer did."""
        return not self.columns


def place_customer(view: View, release: Release, minute: int) -> Customer:
    """Return the customer of `view` in the space of `release` at `minute` (microseconds)."""
    row_of = release.user_feature_row
    history = [
        (column, row_of[column.name])
        for column in history_columns(view, release.history, minute)
        if column.name in row_of
    ]
    attributes = [
        (column, row_of[column.name]) for column in attribute_columns(view) if column.name in row_of
    ]
    known = history + attributes
    rows = np.array([row for _, row in known], np.int64)
    weights = np.array([column.weight for column, _ in known], np.int64)
    total = weighted_sum(release.users_fixed[rows], weights)
    bias = int(total[-1])
    total[-1] = ONE
    segments = [
        release.segment_row[name]
        for name in (f"{name}={value}" for name, value in view.attributes.items())
        if name in release.segment_row
    ]
    return Customer(
        total,
        bias,
        [column for column, _ in history],
        [row for _, row in history],
        segments or [0],
    )


def carried_by(customer: Customer, item_vector: Fixed, release: Release, most: int) -> list[Column]:
    """Return up to `most` history columns that speak most for an item, most first.

    `item_vector` is (D,) in units of 2^-20. Columns that speak against it are left out.
    """
    if not customer.columns:
        return []
    rows = release.users_fixed[np.array(customer.rows, np.int64)].copy()
    rows[:, -1] = 0  # the customer's bias speaks for every item alike
    strength = dot(rows, item_vector)
    found = [
        (-int(strength[at]) * column.weight, at, column)
        for at, column in enumerate(customer.columns)
        if strength[at] > 0
    ]
    return [column for _, _, column in sorted(found)[:most]]
