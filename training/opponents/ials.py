"""iALS: implicit alternating least squares, by the package `implicit`.

Hu, Koren and Volinsky 2008, "Collaborative filtering for implicit feedback datasets".
"""

from collections.abc import Iterator

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

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

# (factors, alpha, ridge)
GRID = (
    (16, 1.0, 50.0),
    (64, 4.0, 30.0),
    *(
        (factors, alpha, ridge)
        for factors in (32, 128)
        for alpha in (2.0, 20.0)
        for ridge in (0.1, 10.0)
    ),
)
SWEEPS = 10


def rankers(past: Past, only: str | None = None) -> Iterator[Candidate]:
    """Score an item by the product of its factors and the customer's; strangers are unknown."""
    weights = past.acts.weights.astype(np.float32).tocsr()
    for factors, alpha, ridge in GRID if weights.nnz else ():
        settings = told(factors=factors, alpha=alpha, ridge=ridge)
        if not wanted(settings, only):
            continue
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors,
                regularization=ridge,
                alpha=alpha,
                iterations=SWEEPS,
                num_threads=1,
                random_state=past.seed,
            )
            model.fit(weights, show_progress=False)
        known = np.diff(weights.indptr) > 0
        yield Candidate(settings, by_vectors(model.user_factors, model.item_factors, known))


def by_vectors(customers: np.ndarray, items: np.ndarray, known: np.ndarray) -> Ranker:
    """Return a ranker by products of vectors, of customers who are `known` (customers,)."""

    def ranker(question: Question) -> Floats:
        scores = np.full((question.acts.rows, len(items)), UNKNOWN)
        rows = np.flatnonzero(question.customers >= 0)
        rows = rows[known[question.customers[rows]]]
        scores[rows] = customers[question.customers[rows]] @ items.T
        return scores

    return ranker


IALS = Family("iALS", rankers)
