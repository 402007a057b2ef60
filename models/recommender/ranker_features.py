"""The ranker's features, declared in one place and computed by one function for live and training.

Every feature is a finite number: there is no missing value and no category. What was never touched
is longer ago than anything (`NEVER`); a constant column of data without order or time is simply not
used by the trees.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.domain.events import BROWSE, CART, INTERACTION_LANES, PURCHASE
from models.numeric.array_types import Floats, Rows
from models.numeric.compiled import compiled
from models.recommender.item_history import NEVER, ItemHistory
from models.recommender.neighbours import ReachedItems


class Feature(NamedTuple):
    """One feature: its name, what it means, and whether the score may only rise (1) with it."""

    name: str
    meaning: str
    monotone: int = 0

    @property
    def column(self) -> str:
        """Return the name as the trees know it, which may hold neither space nor comma."""
        return self.name.replace(" ", "_").replace(",", "")


_BY_TABLE = (
    Feature("sum", "weight of all neighbours of what the customer did, by this table", 1),
    Feature("best", "weight of the nearest of them"),
    Feature("mean", "the sum over the weight of the customer's past"),
    Feature("share", "the sum over the greatest sum among the candidates"),
)
_OWN = (
    *(
        Feature(f"{lane} strength", f"decayed latest {lane} of this item, 0 if none")
        for lane in INTERACTION_LANES
    ),
    *(
        Feature(f"{lane} count", f"how often this item is remembered under {lane}")
        for lane in INTERACTION_LANES
    ),
    Feature("steps since", f"acts since the latest touch of this item; {NEVER:g} if never"),
    Feature("days since", f"days since the latest touch of this item; {NEVER:g} if never"),
)
_CUSTOMER = (
    *(
        Feature(f"{lane} items", f"different items the customer remembers under {lane}")
        for lane in INTERACTION_LANES
    ),
    Feature("open browsed", "items browsed and not bought"),
    Feature("open carted", "items carted and not bought"),
    Feature("bought after browsing", "share of the customer's bought items that were browsed too"),
    Feature("bought after carting", "share of the customer's bought items that were carted too"),
    Feature("taste for the popular, bought", "mean log purchases of the items the customer bought"),
    Feature("taste for the popular, browsed", "mean log purchases of the items browsed"),
    Feature("responses", "responses to offers that are remembered; 0 where none are counted"),
)
_MATCH = (
    Feature("embedding", "history embedding times item vector, biases included"),
    Feature(
        "segment popularity", "log share of this item at moments like this one, by segments", 1
    ),
)
TREND = (  # 0 without a trend
    Feature("alone", "log of this item's share where a basket counts once, over its share"),
    Feature("lately, shortest", "log of its share of the latest few targets, over its share"),
    Feature("lately, middle", "log of its share of more of the latest, over its share"),
    Feature("lately, longest", "log of its share of most of the latest, over its share"),
)
ITEM_FEATURES = (
    Feature("log browses", "log of 1 + customers who browsed this item"),
    Feature("log carts", "log of 1 + customers who carted it"),
    Feature("log purchases", "log of 1 + customers who bought it"),
    Feature("bought per browse", "customers who bought it over those who browsed it, smoothed"),
    Feature("carted per browse", "customers who carted it over those who browsed it, smoothed"),
    Feature("bought unseen", "share of its buyers who never browsed or carted it, smoothed"),
    *TREND,
)
BOUGHT_FEATURE = 2  # of FACTS: log purchases
BOUGHT = ITEM_FEATURES[BOUGHT_FEATURE].name
_BROWSE, _CART, _PURCHASE = (INTERACTION_LANES.index(lane) for lane in (BROWSE, CART, PURCHASE))


def ranker_features(tables: Sequence[str]) -> tuple[Feature, ...]:
    """Return every feature over these item-to-item tables, in the order of the columns."""
    return (
        *(
            Feature(f"{table} {part.name}", f"{table}: {part.meaning}", part.monotone)
            for table in tables
            for part in _BY_TABLE
        ),
        *_OWN,
        *_CUSTOMER,
        *_MATCH,
        *ITEM_FEATURES,
    )


class MatchFeatures(NamedTuple):
    """What is said of each candidate elsewhere, (candidates,) each.

    `embedding` is stage one's score, `popularity` that of the segments of the moment.
    """

    embedding: Floats
    popularity: Floats


def greatest_sums(rows: Rows, reached: ReachedItems) -> Floats:
    """Return the greatest sum of each table (tables,) among the candidates `rows`."""
    return _greatest(rows, reached.slot, reached.sums)


def feature_matrix(
    rows: Rows,
    past: ItemHistory,
    reached: ReachedItems,
    greatest: Floats,
    matches: MatchFeatures,
    facts: Floats,
) -> Floats:
    """Return (rows, features) for the item rows `rows`; `facts` is (items, FACTS).

    `greatest` are the greatest sums among the candidates, which `rows` need not be.
    """
    return _matrix(
        rows,
        reached.slot,
        reached.sums,
        reached.bests,
        reached.totals,
        greatest,
        past.rows,
        past.strength,
        past.counts,
        past.steps,
        past.days,
        _customer(
            past.rows, past.counts, facts, past.responses, _BROWSE, _CART, _PURCHASE, BOUGHT_FEATURE
        ),
        matches.embedding,
        matches.popularity,
        facts,
    )


@compiled(
    "float32[::1](int64[::1], float32[:,::1], float32[:,::1], int64, int64, int64, int64, int64)"
)
def _customer(
    items: Rows,
    counts: Floats,
    facts: Floats,
    responses: int,
    browse: int,
    cart: int,
    purchase: int,
    fact: int,
) -> Floats:
    lanes = counts.shape[1]
    line = np.zeros(lanes + 7, np.float32)
    popular_bought, popular_browsed = 0.0, 0.0
    for at in range(items.size):
        for lane in range(lanes):
            line[lane] += np.float32(counts[at, lane] > 0)
        bought, browsed, carted = (
            counts[at, purchase] > 0,
            counts[at, browse] > 0,
            counts[at, cart] > 0,
        )
        line[lanes] += np.float32(browsed and not bought)
        line[lanes + 1] += np.float32(carted and not bought)
        line[lanes + 2] += np.float32(browsed and bought)
        line[lanes + 3] += np.float32(carted and bought)
        if bought:
            popular_bought += facts[items[at], fact]
        if browsed:
            popular_browsed += facts[items[at], fact]
    line[lanes + 2] /= max(np.float32(1.0), line[purchase])
    line[lanes + 3] /= max(np.float32(1.0), line[purchase])
    line[lanes + 4] = popular_bought / max(np.float32(1.0), line[purchase])
    line[lanes + 5] = popular_browsed / max(np.float32(1.0), line[browse])
    line[lanes + 6] = np.float32(responses)
    return line


@compiled("float32[::1](int64[::1], int32[::1], float32[:,::1])")
def _greatest(rows: Rows, slot: NDArray[np.int32], sums: Floats) -> Floats:
    greatest = np.zeros(sums.shape[1], np.float32)
    for at in range(rows.size):
        where = slot[rows[at]]
        if where >= 0:
            for k in range(greatest.size):
                greatest[k] = max(greatest[k], sums[where, k])
    return greatest


@compiled(
    "float32[:,::1](int64[::1], int32[::1], float32[:,::1], float32[:,::1], float32[::1],"
    " float32[::1], int64[::1], float32[:,::1], float32[:,::1], float32[::1], float32[::1],"
    " float32[::1], float32[::1], float32[::1], float32[:,::1])"
)
def _matrix(
    rows: Rows,
    slot: NDArray[np.int32],
    sums: Floats,
    bests: Floats,
    totals: Floats,
    greatest: Floats,
    items: Rows,
    strength: Floats,
    counts: Floats,
    steps: Floats,
    days: Floats,
    customer: Floats,
    embedding: Floats,
    popularity: Floats,
    facts: Floats,
) -> Floats:
    tables, lanes = totals.size, strength.shape[1]
    own = 4 * tables
    person = own + 2 * lanes + 2
    match = person + customer.size
    fact = match + 2
    matrix = np.zeros((rows.size, fact + facts.shape[1]), np.float32)
    for at in range(rows.size):
        row = rows[at]
        line = matrix[at]
        where = slot[row]
        if where >= 0:
            for k in range(tables):
                if sums[where, k] > 0.0:
                    line[4 * k] = sums[where, k]
                    line[4 * k + 1] = bests[where, k]
                    line[4 * k + 2] = sums[where, k] / totals[k]
                    # What may not be proposed can reach further than any candidate does.
                    line[4 * k + 3] = sums[where, k] / max(greatest[k], sums[where, k])
        place = np.searchsorted(items, row)
        if place < items.size and items[place] == row:
            for lane in range(lanes):
                line[own + lane] = strength[place, lane]
                line[own + lanes + lane] = counts[place, lane]
            line[own + 2 * lanes] = steps[place]
            line[own + 2 * lanes + 1] = days[place]
        else:
            line[own + 2 * lanes] = NEVER
            line[own + 2 * lanes + 1] = NEVER
        for j in range(customer.size):
            line[person + j] = customer[j]
        line[match] = embedding[at]
        line[match + 1] = popularity[at]
        for j in range(facts.shape[1]):
            line[fact + j] = facts[row, j]
    return matrix
