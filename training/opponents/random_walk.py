"""The random walk RP3: from the items of a history to who touched them, and on to their items.

Paudel et al. 2017, "Updatable, accurate, diverse, and scalable recommendations for interactive
applications" (RP3 beta): the probability of three steps, divided by the popularity of where it ends
to the power of beta. An item is among its own neighbours, as people come back.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
from scipy import sparse

from training.opponents.acts import Acts, Floats
from training.opponents.family import (
    Candidate,
    Family,
    Past,
    Question,
    Ranker,
    scored,
    shares,
    told,
    wanted,
)
from training.opponents.popularity import popular
from training.opponents.tables import binary, nearest

BETAS = (0.0, 0.3, 0.6)
NEIGHBOURS = 200
WEIGHTS = (0.0, 0.2, 0.5)  # of recent popularity beside the walk
RECENT = 30.0  # days


def rankers(past: Past, only: str | None = None) -> Iterator[Candidate]:
    """Score an item by the walks that end at it, from a profile that may forget."""
    everybody = popular(past.acts, RECENT)
    profiles: list[tuple[bool, float | None]] = [(True, None)]
    profiles += [(False, half_life) for half_life in past.half_lives.of(14.0, 60.0)]
    for beta in BETAS:
        settings = {
            (touched, half_life, weight): told(
                beta=beta,
                profile="binary" if touched else "weighted",
                half_life=half_life,
                popularity=weight,
            )
            for (touched, half_life), weight in product(profiles, WEIGHTS)
        }
        chosen = {one: text for one, text in settings.items() if wanted(text, only)}
        if not chosen:
            continue
        table = walks(past.acts.weights, beta, NEIGHBOURS)
        for (touched, half_life, weight), text in chosen.items():
            yield Candidate(text, _ranker(table, touched, half_life, everybody, weight))


def walks(weights: sparse.csr_matrix, beta: float, neighbours: int) -> sparse.csr_matrix:
    """Return (items, items): from each item those at which three steps end most likely.

    Steps are over who touched what, whatever its weight.
    """
    touched = binary(weights)
    by_customer = np.asarray(touched.sum(axis=1)).ravel()
    by_item = np.asarray(touched.sum(axis=0)).ravel()
    from_customer = sparse.diags(1.0 / np.maximum(by_customer, 1.0)) @ touched
    from_item = sparse.diags(1.0 / np.maximum(by_item, 1.0)) @ touched.T
    ends = sparse.diags(1.0 / np.maximum(by_item, 1.0) ** beta)
    return nearest(from_item.tocsr(), (from_customer @ ends).tocsr(), neighbours, own=True)


def _ranker(
    table: sparse.csr_matrix,
    touched: bool,
    half_life: float | None,
    everybody: Floats,
    weight: float,
) -> Ranker:
    def ranker(question: Question) -> Floats:
        found = _profile(question.acts, touched, half_life) @ table
        if not weight:
            return scored(found)
        return (1.0 - weight) * shares(found.toarray()) + weight * everybody

    return ranker


def _profile(acts: Acts, touched: bool, half_life: float | None) -> sparse.csr_matrix:
    if touched:
        return binary(acts.weights)
    return acts.matrix(acts.weight * acts.decayed(half_life))


WALK = Family("random walk RP3", rankers)
