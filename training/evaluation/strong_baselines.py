"""Strong baselines: EASE, and implicit ALS where the package `implicit` is installed.

EASE (Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data") is a ridge regression of
every item on all others. With P the inverse of X'X + ridge * I, its weights are -P[i, j] / P[j, j]
and 0 on the diagonal. P is dense, so it is left out of large catalogues.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from training.evaluation.baselines import BaselineCounts, Scores, history_matrices
from training.evaluation.ranked_lists import BLOCK
from training.log.event_log import Log
from training.splits.eval_cases import EvalCase

EASE_ITEMS = 20_000
EASE_RIDGE = 400.0
FACTORS = 64
SWEEPS = 10


def ease_scores(counts: BaselineCounts, eval_cases: Sequence[EvalCase], log: Log) -> Scores | None:
    """Score by EASE over weighted events; None for more than `EASE_ITEMS` items."""
    items = counts.weights.shape[1]
    if items > EASE_ITEMS:
        return None
    weights = _ease(counts, items)

    def scores() -> Iterator[NDArray[np.float64]]:
        for part in history_matrices(counts, eval_cases, log):
            yield np.asarray(part.astype(np.float32) @ weights, np.float64)

    return scores()


def _ease(counts: BaselineCounts, items: int) -> NDArray[np.float32]:
    gram = (counts.weights.T @ counts.weights).toarray().astype(np.float32)
    diagonal = np.arange(items)
    gram[diagonal, diagonal] += EASE_RIDGE
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    assert failed == 0, "a ridge keeps it positive"
    inverse, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
    assert failed == 0
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights: NDArray[np.float32] = -inverse / inverse[diagonal, diagonal]
    weights[diagonal, diagonal] = 0.0
    return weights


def ials_scores(counts: BaselineCounts, eval_cases: Sequence[EvalCase], seed: int) -> Scores | None:
    """Score by implicit ALS over weighted events; None where `implicit` is not installed.

    A customer who is new to the log scores nothing.
    """
    try:
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits
    except ImportError:
        return None
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            FACTORS,
            regularization=1.0,
            alpha=1.0,
            iterations=SWEEPS,
            num_threads=1,
            random_state=seed,
        )
        model.fit(counts.weights.astype(np.float32).tocsr(), show_progress=False)
    users, items = model.user_factors, model.item_factors

    def scores() -> Iterator[NDArray[np.float64]]:
        for first in range(0, len(eval_cases), BLOCK):
            block = eval_cases[first : first + BLOCK]
            vectors = np.zeros((len(block), users.shape[1]), np.float32)
            for at, eval_case in enumerate(block):
                if eval_case.case.customer is not None:
                    vectors[at] = users[eval_case.case.customer]
            yield (vectors @ items.T).astype(np.float64)

    return scores()
