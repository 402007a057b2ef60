"""Content similarity: what is described as the items of a history are."""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy import sparse

from training.log.event_log import Log
from training.opponents.acts import Floats
from training.opponents.family import Candidate, Family, Past, Question, scored


def rankers(past: Past, only: str | None = None) -> Iterator[Candidate]:
    """Score an item by the cosine of its features to each touched item's, summed by weight."""
    if past.features is None:
        return
    features, transposed = past.features, past.features.T.tocsr()

    def ranker(question: Question) -> Floats:
        return scored((question.acts.weights @ features @ transposed).tocsr())

    yield Candidate("", ranker)


def features_of(log: Log, row_of: Mapping[str, int]) -> sparse.csr_matrix | None:
    """Return (items, features), each row of Euclidean length 1, or 0 without features.

    None where no item has any.
    """
    names: dict[str, int] = {}
    cells = [
        (row, names.setdefault(f"{name}={value}", len(names)))
        for item, row in row_of.items()
        if item in log.items
        for name, values in log.items[item].features.items()
        for value in values
    ]
    if not cells:
        return None
    table = np.array(cells, np.int64)
    counts = np.bincount(table[:, 0], minlength=len(row_of))
    weights = 1.0 / np.sqrt(counts[table[:, 0]])
    return sparse.csr_matrix((weights, (table[:, 0], table[:, 1])), (len(row_of), len(names)))


CONTENT = Family("content similarity", rankers)
