"""Item-kNN: what is near to what a customer touched, by the cosine of who touched it.

Sarwar et al. 2001, "Item-based collaborative filtering recommendation algorithms".
"""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from training.opponents.acts import Floats
from training.opponents.family import (
    Candidate,
    Family,
    Past,
    Question,
    Ranker,
    scored,
    told,
    wanted,
)
from training.opponents.tables import binary, cut, nearest

NEIGHBOURS = (50, 200)


def rankers(past: Past, only: str | None = None) -> Iterator[Candidate]:
    """Score an item by its cosines to the items of the history, summed over the nearest ones."""
    for weighted in (False, True):
        for own in (False, True):
            settings = {
                neighbours: told(
                    neighbours=neighbours,
                    history="weighted" if weighted else "binary",
                    own_items="listed" if own else "left out",
                )
                for neighbours in NEIGHBOURS
            }
            chosen = {n: text for n, text in settings.items() if wanted(text, only)}
            if not chosen:
                continue
            weights = past.acts.weights
            table = cosines(weights if weighted else binary(weights), max(chosen), own)
            for neighbours, text in chosen.items():
                yield Candidate(text, _ranker(cut(table, neighbours), weighted))


def cosines(weights: sparse.csr_matrix, neighbours: int, own: bool) -> sparse.csr_matrix:
    """Return cosines (items, items) of the columns of `weights`, of each the nearest."""
    lengths = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=0)).ravel())
    scale = sparse.diags(1.0 / np.where(lengths > 0.0, lengths, 1.0))
    scaled = (weights @ scale).tocsr()
    return nearest(scaled.T.tocsr(), scaled, neighbours, own)


def _ranker(table: sparse.csr_matrix, weighted: bool) -> Ranker:
    def ranker(question: Question) -> Floats:
        history = question.acts.weights if weighted else binary(question.acts.weights)
        return scored(history @ table)

    return ranker


ITEM_KNN = Family("item-kNN", rankers)
