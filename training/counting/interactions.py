"""Interactions of customers with items, as a sparse matrix for each lane.

Item tables and item features are counted from these, always on the part of a log that comes before
what is to be predicted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.domain.event_types import INTERACTION_LANES
from training.log.event_log import Customer, Log


@dataclass(frozen=True)
class Interactions:
    """Which customer interacted with which item.

    `by_lane` has a matrix (customers, items) for each of `INTERACTION_LANES`: 1 where the customer
    has an event about the item in that lane. `items` is the number of items.
    """

    items: int
    by_lane: tuple[sparse.csr_matrix, ...]

    def without(self, customers: NDArray[np.bool_]) -> "Interactions":
        """Return all interactions but those of `customers`, a mask, whose rows are left empty."""
        keep = sparse.diags((~customers).astype(np.float32))
        kept = []
        for matrix in self.by_lane:
            part = sparse.csr_matrix(keep @ matrix)
            part.eliminate_zeros()
            kept.append(part)
        return Interactions(self.items, tuple(kept))

    def weighted(self, weights: Sequence[float]) -> sparse.csr_matrix:
        """Return the sum (customers, items) of the lanes, each times its weight."""
        total = self.by_lane[0] * weights[0]
        for matrix, weight in zip(self.by_lane[1:], weights[1:], strict=True):
            total = total + matrix * weight
        total = sparse.csr_matrix(total, dtype=np.float32)
        total.eliminate_zeros()
        return total


def interactions_of(log: Log, items: Sequence[str], limit: int) -> Interactions:
    """Return interactions with `items`: of each customer the `limit` latest items in each lane."""
    row_of = {item: row for row, item in enumerate(items)}
    lane_of = {
        name: INTERACTION_LANES.index(like.lane)
        for name, like in log.event_types.items()
        if like.lane in INTERACTION_LANES
    }
    cells: list[list[tuple[int, int]]] = [[] for _ in INTERACTION_LANES]
    for at, customer in enumerate(log.customers):
        for lane, rows in enumerate(_latest(customer, row_of, lane_of, limit)):
            cells[lane].extend((at, row) for row in rows)
    shape = (len(log.customers), len(items))
    return Interactions(len(items), tuple(_matrix(part, shape) for part in cells))


def _latest(
    customer: Customer, row_of: dict[str, int], lane_of: dict[str, int], limit: int
) -> list[dict[int, None]]:
    rows_by_lane: list[dict[int, None]] = [{} for _ in INTERACTION_LANES]
    for event in reversed(customer.events):
        lane, row = lane_of.get(event.type), row_of.get(event.item)
        if lane is not None and row is not None and len(rows_by_lane[lane]) < limit:
            rows_by_lane[lane][row] = None
    return rows_by_lane


def _matrix(cells: list[tuple[int, int]], shape: tuple[int, int]) -> sparse.csr_matrix:
    table = np.array(cells, np.int64).reshape(-1, 2)
    ones = np.ones(len(table), np.float32)
    return sparse.csr_matrix((ones, (table[:, 0], table[:, 1])), shape, dtype=np.float32)
