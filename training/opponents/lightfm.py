"""LightFM with a vector for each customer, of items by id alone or by id and features.

Kula 2015, "Metadata embeddings for user and item cold-start recommendations", with the loss WARP.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import sparse

from training.opponents.family import Candidate, Family, Past, told, wanted
from training.opponents.ials import by_vectors
from training.retrieval.fit import fit_by_customer

EPOCHS = (10, 30)


def rankers(past: Past, only: str | None = None) -> Iterator[Candidate]:
    """Score an item by the product of its vector and the customer's; strangers are unknown."""
    targets = past.acts.targets
    rows, columns = targets.nonzero()
    pairs = np.stack([rows, columns], axis=1).astype(np.int64)
    known = np.diff(targets.indptr) > 0
    for featured in (False, True) if past.features is not None else (False,):
        for epochs in EPOCHS if len(pairs) else ():
            settings = told(epochs=epochs, items="by features, too" if featured else "by id")
            if not wanted(settings, only):
                continue
            made = replace(past.stage_one, epochs=epochs)
            described = _described(past.features) if featured else None
            vectors = fit_by_customer(pairs, targets.shape, made, past.seed, features=described)
            yield Candidate(settings, by_vectors(*vectors, known))


def _described(features: sparse.csr_matrix | None) -> sparse.csr_matrix:
    """Return (items, items + features): each item by itself, and by its features."""
    assert features is not None, "asked only where there are any"
    own = sparse.identity(features.shape[0], format="csr")
    return sparse.csr_matrix(sparse.hstack([own, features]), dtype=np.float32)


LIGHTFM = Family("LightFM by customer", rankers, slow=True)
