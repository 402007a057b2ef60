"""How many of the exact best offers retrieval finds, at each moment of the load."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.world import SHARES, World
from models.domain.catalogue import Catalogue
from models.domain.events import Event
from models.domain.fold import fold
from models.domain.profile import Compartment
from models.domain.view import view_of
from models.numeric.array_types import NO_ROWS
from models.numeric.fixed import dot
from models.policy.schema import BUILT_IN
from models.ranking.offer_index import OfferIndex
from models.recommender.user_vector import place_customer
from models.release.loader import load_release

CUSTOMERS = 200


def recall(world: World, release: Path) -> dict[int, float]:
    """Return the share of the exact best 200 that is found, for each moment of `SHARES`."""
    index = OfferIndex(load_release(release), Catalogue().apply(1, world.items))
    lives: dict[bytes, list[Event]] = {}
    for event in world.events:
        lives.setdefault(event.identifier, []).append(event)
    found = {}
    for moment in SHARES:
        hits = wanted = 0
        for events in list(lives.values())[:CUSTOMERS]:
            view = view_of([fold(Compartment(), events)])
            vector = place_customer(view, index.release, moment).vector
            allowed = index.availability.eligible(moment)
            exact = _exact(index, vector, allowed.mask)
            near = index.vectors.search.nearest(vector, BUILT_IN.candidates.items, allowed, NO_ROWS)
            hits += len(np.intersect1d(exact, near))
            wanted += len(exact)
        found[moment] = hits / wanted
    return found


def _exact(
    index: OfferIndex, vector: NDArray[np.int64], allowed: NDArray[np.bool_]
) -> NDArray[np.int64]:
    rows = np.flatnonzero(allowed[: index.rows.item_count])
    scores = dot(index.vectors.fixed, rows, vector)
    return rows[np.lexsort((rows, -scores))[: BUILT_IN.candidates.items]]
