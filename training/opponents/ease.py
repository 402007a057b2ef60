"""EASE: a ridge regression of every item on all others.

Steck 2019, "Embarrassingly shallow autoencoders for sparse data". With P the inverse of
X'X + ridge * I, its weights are -P[i, j] / P[j, j], and 0 on the diagonal. P is dense, so it is
left out of catalogues of more than `MOST_ITEMS`.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from training.opponents.acts import Floats
from training.opponents.family import (
    UNKNOWN,
    Candidate,
    Family,
    Past,
    Question,
    Ranker,
    told,
    wanted,
)

MOST_ITEMS = 8_000
RIDGES = (50.0, 200.0, 400.0, 1000.0)


def rankers(past: Past, only: str | None = None) -> Iterator[Candidate]:
    """Score an item by the weights from the items of the history; who has none is unknown."""
    if past.acts.items > MOST_ITEMS:
        return
    gram = (past.acts.weights.T @ past.acts.weights).toarray().astype(np.float32)
    for ridge in RIDGES:
        settings = told(ridge=ridge)
        if wanted(settings, only):
            yield Candidate(settings, _ranker(regressed(gram, ridge)))


def regressed(gram: NDArray[np.float32], ridge: float) -> NDArray[np.float32]:
    """Return the weights (items, items) from what X'X is."""
    diagonal = np.arange(len(gram))
    matrix = gram.copy()
    matrix[diagonal, diagonal] += ridge
    factor, failed = lapack.spotrf(matrix, lower=1, overwrite_a=1)
    assert failed == 0, "a ridge keeps it positive"
    inverse, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
    assert failed == 0
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights: NDArray[np.float32] = -inverse / inverse[diagonal, diagonal]
    weights[diagonal, diagonal] = 0.0
    return weights


def _ranker(weights: NDArray[np.float32]) -> Ranker:
    def ranker(question: Question) -> Floats:
        history: sparse.csr_matrix = question.acts.weights.astype(np.float32)
        scores = np.asarray(history @ weights, np.float64)
        scores[np.diff(history.indptr) == 0] = UNKNOWN
        return scores

    return ranker


EASE = Family("EASE", rankers, slow=True)
