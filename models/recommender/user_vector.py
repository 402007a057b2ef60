"""The customer's place among the items: one weighted sum of learned rows, in fixed point.

LightFM scores a pair as u.i + b_u + b_i. With the item's bias as last dimension of its vector, and
a 1 there in the customer's, one inner product gives u.i + b_i; b_u is the same for all offers of a
customer and is added to the score.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from models.domain.view import View
from models.numeric.array_types import Fixed, Rows, Table
from models.numeric.compiled import compiled
from models.numeric.fixed import BITS, ONE, weighted_sum
from models.recommender.user_features import (
    HistoryConfig,
    UserFeature,
    attribute_features,
    history_features,
)


class UserSpace(Protocol):
    """What placing a customer needs of a release.

    `users_fixed` (user features, D) in units of 2^-20 are the learnt rows of columns, the user bias
    last; `user_feature_row` and `segment_row` map names to rows.
    """

    history: HistoryConfig
    users_fixed: Table
    user_feature_row: Mapping[str, int]
    segment_row: Mapping[str, int]


class PlacedCustomer(NamedTuple):
    """A customer in a release's space.

    `vector` (D,) and `bias` are in units of 2^-20; `columns` are the history columns the release
    knows, with their rows in `rows`; `segments` are rows of the release's popularity table. Without
    known columns the customer is cold.
    """

    vector: Fixed
    bias: int
    columns: list[UserFeature]
    rows: Rows
    segments: list[int]

    @property
    def cold(self) -> bool:
        """Tell whether the release knows nothing that this customer did."""
        return not self.columns


def place_customer(view: View, space: UserSpace, minute: int) -> PlacedCustomer:
    """Return the customer of `view` in `space` at `minute` (microseconds)."""
    row_of = space.user_feature_row
    columns, rows, weights = [], [], []
    for column in history_features(view, space.history, minute):
        row = row_of.get(column.name)
        if row is not None:
            columns.append(column)
            rows.append(row)
            weights.append(column.weight)
    for column in attribute_features(view):
        row = row_of.get(column.name)
        if row is not None:
            rows.append(row)
            weights.append(column.weight)
    known = np.array(rows, np.int64)
    total = weighted_sum(space.users_fixed, known, np.array(weights, np.int64))
    bias = int(total[-1])
    total[-1] = ONE
    segment_row = space.segment_row
    segments = [
        segment_row[name]
        for name in (f"{name}={value}" for name, value in view.attributes.items())
        if name in segment_row
    ]
    return PlacedCustomer(total, bias, columns, known[: len(columns)], segments or [0])


class LazyPlacement:
    """A customer's place in a space, found when it is first asked for."""

    def __init__(self, view: View, space: UserSpace, minute: int) -> None:
        self._view, self._space, self._minute = view, space, minute

    @cached_property
    def customer(self) -> PlacedCustomer:
        """Return the customer there."""
        return place_customer(self._view, self._space, self._minute)


def strongest_features(
    customer: PlacedCustomer, items: Table, leads: Rows, space: UserSpace, limit: int
) -> list[list[UserFeature]]:
    """Return, for each of `leads` (rows of `items`), the columns that speak most for that item.

    `items` is (n, D) in units of 2^-20. Each list holds up to `limit` history columns, strongest
    first; those that speak against the item are left out.
    """
    if not customer.columns:
        return [[] for _ in leads]
    weights = np.array([column.weight for column in customer.columns], np.int64)
    found = _strongest(space.users_fixed, customer.rows, weights, items, leads, limit)
    columns = customer.columns
    return [[columns[at] for at in row if at >= 0] for row in found.tolist()]


@compiled("int64[:,::1](int32[:,::1], int64[::1], int64[::1], int32[:,::1], int64[::1], int64)")
def _strongest(
    users: Table, rows: Rows, weights: Fixed, items: Table, leads: Rows, limit: int
) -> Rows:
    """Return (leads, limit) positions in `rows` by weighted product, -1 where none is positive."""
    found = np.full((leads.size, limit), -1, np.int64)
    dimensions = items.shape[1] - 1  # the customer's bias speaks for every item alike
    strength = np.empty(rows.size, np.int64)
    for i in range(leads.size):
        for at in range(rows.size):
            total = np.int64(0)
            for j in range(dimensions):
                total += np.int64(users[rows[at], j]) * np.int64(items[leads[i], j])
            strength[at] = ((total + ONE // 2) >> BITS) * weights[at]
        for place in range(min(limit, rows.size)):
            strongest = np.argmax(strength)
            if strength[strongest] <= 0:
                break
            found[i, place] = strongest
            strength[strongest] = 0
    return found
