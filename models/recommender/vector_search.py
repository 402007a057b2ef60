"""Nearest vectors by inner product: FAISS proposes, exact fixed-point scores decide.

Small catalogues are searched exactly. From 20,000 vectors on FAISS holds each dimension in 4 bits
and scans all of them in registers; it proposes twice as many as are wanted, of which the best by
exact score stay (recall@200 against exact search .99 on 100,000 crowded vectors, .97 on the worst
there are, without any structure). Where a filter leaves few, all that it leaves are scored, so that
recall does not depend on the filter.
"""

from math import ceil
from typing import NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from models.numeric.array_types import Fixed, Mask, Rows, Table
from models.numeric.compiled import compiled
from models.numeric.fixed import ONE, dot, top_by_score

EXACT_UP_TO = 20_000
TRAINED_ON = 8_192  # vectors that the 16 levels of each dimension are made from
PROPOSED = 2.2  # times as many as wanted are proposed by FAISS
ENOUGH = 1.8  # times as many as wanted must pass the filter
FEW = 0.15  # below this share of allowed rows, scoring all of them costs less


class Allowed(NamedTuple):
    """Which rows may be found: `mask` over all rows of an index, `vectors` of those with a vector.

    `rows` are these in ascending order where they are few, else None.
    """

    mask: Mask
    vectors: int
    rows: Rows | None


def allow(mask: Mask, vectors: int) -> Allowed:
    """Return what `mask` allows among the first `vectors` rows."""
    count = int(np.count_nonzero(mask[:vectors]))
    few = count < FEW * vectors
    return Allowed(mask, count, np.flatnonzero(mask[:vectors]) if few else None)


class VectorSearch:
    """Search in vectors (n, d), float32, and the same in units of 2^-20."""

    def __init__(self, vectors: NDArray[np.float32], fixed: Table) -> None:
        self._fixed = fixed
        self._exact = len(vectors) <= EXACT_UP_TO
        self._index = _flat(vectors) if self._exact else _quantised(vectors)

    def nearest(self, query: Fixed, limit: int, allowed: Allowed, closed: Rows) -> Rows:
        """Return up to `limit` rows with the greatest scores for `query` (d,), greatest first.

        Only `allowed` rows that are not in `closed` (ascending) are found.
        """
        if allowed.rows is not None:
            found = _open(allowed.rows, allowed.mask, closed)
        elif self._exact:
            found = self._search(query, limit + len(closed), allowed.mask)
            found = _open(found, allowed.mask, closed)
        else:
            found = self._propose(query, limit, allowed, closed)
        return found[top_by_score(dot(self._fixed, found, query), found, limit)]

    def _propose(self, query: Fixed, limit: int, allowed: Allowed, closed: Rows) -> Rows:
        """Return more rows than are wanted, the filter applied after the search."""
        total = len(self._fixed)
        asked = ceil((PROPOSED * limit + len(closed)) * total / allowed.vectors)
        while True:
            found = _open(self._search(query, min(asked, total)), allowed.mask, closed)
            # Fewer where the filter leaves out just those that lie near: then look further.
            if len(found) >= ENOUGH * limit or asked >= total:
                return found
            asked *= 4

    def _search(self, query: Fixed, limit: int, mask: Mask | None = None) -> Rows:
        point = (query / ONE).astype(np.float32)[None, :]
        parameters = None
        if mask is not None:
            # The bitmap must outlive the search: the selector only points at it.
            bitmap = np.packbits(mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(self._fixed), faiss.swig_ptr(bitmap))
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        found: Rows = self._index.search(point, limit, params=parameters)[1][0]
        return found


@compiled("int64[::1](int64[::1], boolean[::1], int64[::1])")
def _open(found: Rows, allowed: Mask, closed: Rows) -> Rows:
    """Return those of `found` that are rows (not -1), allowed and not closed."""
    kept = np.empty(found.size, np.int64)
    count = 0
    for i in range(found.size):
        row = found[i]
        if row < 0 or not allowed[row]:
            continue
        if closed.size:
            at = np.searchsorted(closed, row)
            if at < closed.size and closed[at] == row:
                continue
        kept[count] = row
        count += 1
    return kept[:count].copy()


def _flat(vectors: NDArray[np.float32]) -> faiss.Index:
    index = faiss.IndexFlatIP(vectors.shape[1])
    if len(vectors):
        index.add(vectors)
    return index


def _quantised(vectors: NDArray[np.float32]) -> faiss.Index:
    dimensions = vectors.shape[1]
    index = faiss.IndexPQFastScan(dimensions, dimensions, 4, faiss.METRIC_INNER_PRODUCT)
    index.train(np.ascontiguousarray(vectors[:: max(1, len(vectors) // TRAINED_ON)]))
    index.add(vectors)
    return index
