"""Content similarity: the baseline for new items, of which only the features are known."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse

from training.evaluation.baselines import BaselineCounts, Scores, history_matrices
from training.log.event_log import Log
from training.splits.eval_cases import EvalCase


def content_scores(
    counts: BaselineCounts, eval_cases: Sequence[EvalCase], log: Log
) -> Scores | None:
    """Score an item by the cosine of its features to each touched item's, summed by event weight.

    Equal scores, and a customer without history, go by popularity. None where no item has features.
    """
    item_features = _item_features(counts.row_of, log)
    if not item_features.shape[1]:
        return None
    transposed = sparse.csr_matrix(item_features.T)
    fill = counts.popular / (counts.popular.max(initial=0.0) + 1.0)

    def scores() -> Iterator[np.ndarray]:
        for own in history_matrices(counts, eval_cases, log):
            yield (own @ item_features @ transposed).toarray() + 1e-6 * fill

    return scores()


def _item_features(row_of: dict[str, int], log: Log) -> sparse.csr_matrix:
    """Return (items, features), each row of Euclidean length 1, or 0 without features."""
    names: dict[str, int] = {}
    cells = [
        (row, names.setdefault(f"{name}={value}", len(names)))
        for item, row in row_of.items()
        if item in log.items
        for name, values in log.items[item].features.items()
        for value in values
    ]
    table = np.array(cells, np.int64).reshape(-1, 2)
    feature_counts = np.bincount(table[:, 0], minlength=len(row_of))
    weights = 1.0 / np.sqrt(feature_counts[table[:, 0]])
    return sparse.csr_matrix((weights, (table[:, 0], table[:, 1])), (len(row_of), len(names)))
