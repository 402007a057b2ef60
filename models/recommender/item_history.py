"""What a customer did, by item: one row for each item they interacted with, as arrays.

An interaction is remembered by lane (browsed, carted, bought, responded to). Its strength is 1 for
the newest of all and decays as the release says; data without order does not decay.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.clock_time import DAY
from models.domain.event_types import INTERACTION_LANES, PURCHASE
from models.domain.view import View
from models.numeric.array_types import Floats, Rows
from models.numeric.compiled import compiled
from models.recommender.user_features import HistoryConfig

NEVER = 10_000.0  # steps or days: longer ago than any profile remembers
OLDEST = 10_000  # interactions or days beyond which nothing decays any further
_BOUGHT = INTERACTION_LANES.index(PURCHASE)


class ItemHistory(NamedTuple):
    """A customer's items, by ascending row.

    `strength` and `counts` are (items, lanes): the decay of the latest interaction, 0 without one,
    and how many are remembered. `steps` and `days` are (items,): interactions and days since the
    latest with the item, 0 where the data has no order or no time. `latest` (items,) is the place
    of that one in canonical order, 0 the newest: to cut by, never a feature. `responses` is how
    many responses to offers are remembered, whatever they are about.
    """

    rows: Rows
    strength: Floats
    counts: Floats
    steps: Floats
    days: Floats
    latest: Rows
    responses: int

    @property
    def interactions(self) -> NDArray[np.float64]:
        """Return how many interactions with each item (items,) are remembered, of any kind."""
        found: NDArray[np.float64] = self.counts.sum(axis=1, dtype=np.float64)
        return found

    @property
    def bought(self) -> Rows:
        """Return the rows of items bought before."""
        return self.rows[self.counts[:, _BOUGHT] > 0]


def item_history_of(
    view: View, row_of: Mapping[str, int], config: HistoryConfig, minute: int
) -> ItemHistory:
    """Return the history of a customer at `minute` (microseconds) over the items in `row_of`."""
    interactions = [
        (entry.rank, entry.at, entry.key, row, lane)
        for lane, name in enumerate(INTERACTION_LANES)
        for entry in view.lanes.get(name, ())
        if (row := row_of.get(entry.item)) is not None
    ]
    interactions.sort(reverse=True)  # newest first
    rows = np.array([row for _, _, _, row, _ in interactions], np.int64)
    lanes = np.array([lane for _, _, _, _, lane in interactions], np.int64)
    places = np.arange(len(interactions), dtype=np.float64)
    days = np.array(
        [max(0, minute - at) / DAY if rank else 0.0 for rank, at, _, _, _ in interactions],
        np.float64,
    )
    steps = np.zeros(len(interactions)) if config.decay == "none" else places
    age = np.floor(days) if config.decay == "age" else steps
    strengths = _decays(config.factor)[np.minimum(age, OLDEST).astype(np.int64)]
    responses = 0
    if config.responses:
        entries = (entry for name in INTERACTION_LANES for entry in view.lanes.get(name, ()))
        responses = sum(entry.type in config.responses for entry in entries)
    return ItemHistory(
        *_by_item(rows, lanes, strengths, steps, days, len(INTERACTION_LANES)), responses
    )


@lru_cache(16)
def _decays(factor: float) -> NDArray[np.float64]:
    """Return the powers of `factor` from 0 to OLDEST, by products: the same on every machine."""
    powers = [1.0]
    for _ in range(OLDEST):
        powers.append(powers[-1] * factor)
    return np.array(powers)


@compiled(
    "Tuple((int64[::1], float32[:,::1], float32[:,::1], float32[::1], float32[::1], int64[::1]))"
    "(int64[::1], int64[::1], float64[::1], float64[::1], float64[::1], int64)"
)
def _by_item(
    rows: Rows,
    lanes: Rows,
    strengths: NDArray[np.float64],
    steps: NDArray[np.float64],
    days: NDArray[np.float64],
    width: int,
) -> tuple[Rows, Floats, Floats, Floats, Floats, Rows]:
    """Gather interactions, newest first, by item."""
    order = np.argsort(rows, kind="mergesort")
    items = np.empty(rows.size, np.int64)
    strength = np.zeros((rows.size, width), np.float32)
    counts = np.zeros((rows.size, width), np.float32)
    since = np.empty(rows.size, np.float32)
    aged = np.empty(rows.size, np.float32)
    places = np.empty(rows.size, np.int64)
    last = -1
    for at in order:
        if last < 0 or items[last] != rows[at]:
            last += 1
            items[last], since[last], aged[last] = rows[at], steps[at], days[at]
            places[last] = at
        counts[last, lanes[at]] += np.float32(1.0)
        strength[last, lanes[at]] = max(strength[last, lanes[at]], np.float32(strengths[at]))
    kept = last + 1
    return (
        items[:kept].copy(),
        strength[:kept].copy(),
        counts[:kept].copy(),
        since[:kept].copy(),
        aged[:kept].copy(),
        places[:kept].copy(),
    )
