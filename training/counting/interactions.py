"""Who touched what: a log as sparse matrices of customers by items, one a lane.

Tables and facts are counted from these, always from the part of a log that comes before what is to
be predicted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.domain.events import INTERACTION_LANES
from training.log.event_log import Customer, Log


@dataclass(frozen=True)
class Interactions:
    """`by_lane[lane]` (customers, items) is 1 where the customer touched the item in that lane."""

    items: int
    by_lane: tuple[sparse.csr_matrix, ...]

    def without(self, customers: NDArray[np.bool_]) -> "Interactions":
        """Return the touches of all but `customers`, whose rows are left empty."""
        keep = sparse.diags((~customers).astype(np.float32))
        kept = []
        for matrix in self.by_lane:
            part = sparse.csr_matrix(keep @ matrix)
            part.eliminate_zeros()
            kept.append(part)
        return Interactions(self.items, tuple(kept))

    def weighted(self, weights: Sequence[float]) -> sparse.csr_matrix:
        """Return one matrix, the lanes added up under `weights`."""
        total = self.by_lane[0] * weights[0]
        for matrix, weight in zip(self.by_lane[1:], weights[1:], strict=True):
            total = total + matrix * weight
        total = sparse.csr_matrix(total, dtype=np.float32)
        total.eliminate_zeros()
        return total


def interactions_of(log: Log, items: Sequence[str], limit: int) -> Interactions:
    """Return what each customer of `log` touched among `items`, the latest `most` of each lane."""
    row_of = {item: row for row, item in enumerate(items)}
    lane_of = {
        name: INTERACTION_LANES.index(lane)
        for name, lane in log.lanes.items()
        if lane in INTERACTION_LANES
    }
    cells: list[list[tuple[int, int]]] = [[] for _ in INTERACTION_LANES]
    for at, customer in enumerate(log.customers):
        for lane, rows in enumerate(_latest(customer, row_of, lane_of, limit)):
            cells[lane].extend((at, row) for row in rows)
    shape = (len(log.customers), len(items))
    return Interactions(len(items), tuple(_matrix(part, shape) for part in cells))


def _latest(
    customer: Customer, row_of: dict[str, int], lane_of: dict[str, int], most: int
) -> list[dict[int, None]]:
    found: list[dict[int, None]] = [{} for _ in INTERACTION_LANES]
    for event in reversed(customer.events):
        lane, row = lane_of.get(event.type), row_of.get(event.item)
        if lane is not None and row is not None and len(found[lane]) < most:
            found[lane][row] = None
    return found


def _matrix(cells: list[tuple[int, int]], shape: tuple[int, int]) -> sparse.csr_matrix:
    table = np.array(cells, np.int64).reshape(-1, 2)
    ones = np.ones(len(table), np.float32)
    return sparse.csr_matrix((ones, (table[:, 0], table[:, 1])), shape, dtype=np.float32)
