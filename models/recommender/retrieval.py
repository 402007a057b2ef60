"""Retrieval: which items are worth ranking for one customer, under one intent.

`Retrieval` is what a release holds for it; `propose` reads a past against it. The same function
proposes live and makes the training examples, so a ranker is fitted on what it will meet.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.numeric.array_types import Floats, Mask, Rows
from models.recommender.candidates import (
    OWN,
    POPULAR,
    Candidates,
    from_source,
    listed_items,
    own_items,
    reached_items,
    source_names,
    union,
)
from models.recommender.features.item import BOUGHT_FEATURE
from models.recommender.item_history import ItemHistory
from models.recommender.neighbours import NeighbourTables, ReachedItems, look_up_neighbours
from models.recommender.segments import SegmentPopularity


class Quotas(msgspec.Struct, frozen=True, kw_only=True):
    """How many items each source may propose: by table name, the rest `other` each.

    `new` places are kept for items that the release does not know.
    """

    own: int = 200
    tables: dict[str, int] = {}
    other: int = 10
    embedding: int = 0
    popular: int = 10
    new: int = 10


DEFAULT_QUOTAS = Quotas(
    tables={
        "any>any": 70,
        "purchase>browse": 30,
        "browse>purchase": 20,
        "browse>browse": 20,
        "purchase>purchase": 15,
    }
)
# Own items out: their places go to the tables.
DISCOVERY_QUOTAS = Quotas(
    own=0,
    tables={
        "any>any": 150,
        "purchase>browse": 60,
        "browse>purchase": 40,
        "browse>browse": 40,
        "purchase>purchase": 30,
    },
)


class RetrievalTables(NamedTuple):
    """Tables, what is known of each item (items, FACTS), the most popular rows in order, shares."""

    tables: NeighbourTables
    item_features: Floats
    popular: Rows
    shares: SegmentPopularity

    @property
    def buyers(self) -> NDArray[np.float64]:
        """Return how many customers bought each item (items,)."""
        return np.expm1(self.item_features[:, BOUGHT_FEATURE].astype(np.float64)).round()


class Proposed(NamedTuple):
    """Candidates of a customer, and what of the past led to them."""

    candidates: Candidates
    reached: ReachedItems


def propose_candidates(
    retrieval: RetrievalTables,
    past: ItemHistory,
    quotas: Quotas,
    allowed: Mask,
    extra: Mapping[str, Rows] | None = None,
) -> Proposed:
    """Return the union of what all sources propose among `allowed` (items,) rows.

    `extra` are proposals by source that are made elsewhere, such as those of the embedding.
    """
    names = retrieval.tables.names
    bit = {name: at for at, name in enumerate(source_names(names))}
    reached = look_up_neighbours(retrieval.tables, past)
    wanted = np.array([quotas.tables.get(name, quotas.other) for name in names], np.int64)
    rows, bits = reached_items(reached, wanted, allowed)
    parts = [
        (rows, bits << bit[names[0]]),
        from_source(own_items(past, quotas.own, allowed), bit[OWN]),
        from_source(listed_items(retrieval.popular, quotas.popular, allowed), bit[POPULAR]),
    ]
    parts += [from_source(found, bit[name]) for name, found in (extra or {}).items()]
    return Proposed(union(parts), reached)
