"""Nearest vectors by inner product: FAISS proposes, exact fixed-point scores decide.

Few vectors are searched exactly. From 20,000 on FAISS holds each dimension in 4 bits and scans all
of them in registers; it proposes twice as many as are wanted, of which the best by exact score stay
(recall@200 against exact search .99 on 100,000 crowded vectors, .97 on the worst there are, without
any structure). Where a filter leaves few, all that it leaves are scored, so that recall does not
depend on the filter.

What is found depends on the vectors alone, never on the order in which they came: the levels of the
dimensions are a release's, and of vectors that tie where FAISS stops, all are left out. So vectors
that came later are searched in an index of their own, and both together find what one would.
"""

from collections.abc import Mapping
from copy import copy
from math import ceil
from typing import Any, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from models.numeric.array_file import Arrays
from models.numeric.array_types import NO_ROWS, Fixed, Mask, Rows, Table
from models.numeric.compiled import compiled
from models.numeric.fixed import ONE, dot, top_by_score

EXACT_UP_TO = 20_000
TRAINED_ON = 8_192  # vectors that the 16 levels of each dimension are made from
LEAST_TO_TRAIN = 1_000
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


def allow(mask: Mask, rows: int, vectors: int) -> Allowed:
    """Return what `mask` allows among the first `rows` rows, which have `vectors` vectors."""
    count = int(np.count_nonzero(mask[:rows]))
    few = count <= FEW * vectors
    return Allowed(mask, count, np.flatnonzero(mask[:rows]) if few else None)


class Levels:
    """How vectors like those of a release are held: the levels of each dimension, or exactly.

    With fewer than 1,000 vectors to make levels from, all are held exactly.
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        """Look at the `vectors` (n, D) of a release; levels are made when they are needed."""
        self._vectors = vectors
        self._quantised: faiss.Index | None = None

    @classmethod
    def of_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], vectors: NDArray[np.float32]
    ) -> "Levels":
        """Return the levels of a release's `vectors` (n, D), whose `arrays` these are."""
        levels = cls(vectors)
        if "quantised" in arrays:
            levels._quantised = faiss.deserialize_index(arrays["quantised"])
        return levels

    def arrays(self) -> Arrays:
        """Return all that was made so far."""
        made = self._quantised
        return {} if made is None else {"quantised": faiss.serialize_index(made)}

    def empty_index(self, vectors: int) -> faiss.Index:
        """Return an index for so many vectors, with none in it."""
        dimensions = self._vectors.shape[1]
        if vectors <= EXACT_UP_TO or len(self._vectors) < LEAST_TO_TRAIN:
            return faiss.IndexFlatIP(dimensions)
        if self._quantised is None:
            index = faiss.IndexPQFastScan(dimensions, dimensions, 4, faiss.METRIC_INNER_PRODUCT)
            step = max(1, len(self._vectors) // TRAINED_ON)
            index.train(np.ascontiguousarray(self._vectors[::step]))
            self._quantised = index
        return faiss.clone_index(self._quantised)


class VectorSearch:
    """Search in the vectors of item rows; immutable. Of equal scores the lesser tie rank is first.

    `fixed` (rows, D) are the vectors in units of 2^-20, `tie_ranks` (rows,) the order of ties.
    """

    def __init__(
        self, levels: Levels, vectors: NDArray[np.float32], fixed: Table, tie_ranks: Rows
    ) -> None:
        """Search in `vectors` (n, D), float32, which are those of rows 0 to n - 1."""
        index = levels.empty_index(len(vectors))
        if len(vectors):
            index.add(vectors)
        self._set(levels, fixed, tie_ranks, index)

    @classmethod
    def of_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], levels: Levels, fixed: Table, tie_ranks: Rows
    ) -> "VectorSearch":
        """Return the search in vectors whose `arrays` these are."""
        search = cls.__new__(cls)
        search._set(levels, fixed, tie_ranks, faiss.deserialize_index(arrays["index"]))
        return search

    def arrays(self) -> Arrays:
        """Return what FAISS holds; none may have come, or gone, since it was made."""
        assert self._later is None, "the search is to be made anew first"
        assert not len(self._gone), "the search is to be made anew first"
        return {"index": faiss.serialize_index(self._index)}

    def _set(self, levels: Levels, fixed: Table, tie_ranks: Rows, index: faiss.Index) -> None:
        self._levels = levels
        self._fixed, self._tie_ranks = fixed, tie_ranks
        # Rows of vectors that came later, in an index of their own, and of those that are no more.
        self._index = index
        self._later: tuple[faiss.Index, Rows] | None = None
        self._gone = NO_ROWS
        self._count = index.ntotal

    def updated(
        self, rows: Rows, vectors: NDArray[np.float32], gone: Rows, tie_ranks: Rows
    ) -> "VectorSearch | None":
        """Return a search in the `vectors` (m, D) of `rows` (m,), too, and not in those `gone`.

        None where so many vectors are held otherwise: then a new search is to be made.
        """
        count = self._count + len(rows) - len(gone)
        if (count <= EXACT_UP_TO) != (self._count <= EXACT_UP_TO):
            return None
        later = copy(self)
        later._count, later._tie_ranks = count, tie_ranks
        later._gone = np.union1d(self._gone, gone)
        if len(rows):
            index, there = self._later or (self._levels.empty_index(count), NO_ROWS)
            index = faiss.clone_index(index)  # others search in the one that there is
            index.add(vectors)
            later._later = index, np.concatenate([there, rows])
        return later

    def nearest(self, query: Fixed, limit: int, allowed: Allowed, closed: Rows) -> Rows:
        """Return up to `limit` rows with the greatest scores for `query` (d,), greatest first.

        Only `allowed` rows that are not in `closed` (ascending) are found.
        """
        if allowed.rows is not None:
            found = _open(allowed.rows, allowed.mask, closed)
        else:
            found = self._propose(query, limit, allowed, closed)
        scores = dot(self._fixed, found, query)
        return found[top_by_score(scores, self._tie_ranks[found], limit)]

    def _propose(self, query: Fixed, limit: int, allowed: Allowed, closed: Rows) -> Rows:
        """Return more rows than are wanted, the filter applied after the search."""
        asked = ceil((PROPOSED * limit + len(closed)) * self._count / allowed.vectors)
        while True:
            if asked >= self._count:
                every = np.flatnonzero(allowed.mask[: len(self._fixed)])
                return _open(every, allowed.mask, closed)
            found = _open(self._search(query, asked), allowed.mask, closed)
            # Fewer where the filter leaves out just those that lie near: then look further.
            if len(found) >= ENOUGH * limit:
                return found
            asked *= 4

    def _search(self, query: Fixed, limit: int) -> Rows:
        """Return the rows whose scores by FAISS are above the `limit`-th greatest."""
        point = (query / ONE).astype(np.float32)[None, :]
        asked = limit + len(self._gone)
        scores, rows = self._index.search(point, asked)
        scores, rows = scores[0], rows[0]
        if self._later is not None:
            index, rows_of_index = self._later
            more_scores, places = index.search(point, min(asked, index.ntotal))
            scores = np.concatenate([scores, more_scores[0]])
            rows = np.concatenate([rows, rows_of_index[places[0]]])
        if self._later is not None or len(self._gone):
            kept = (rows >= 0) & ~np.isin(rows, self._gone)
            scores, rows = scores[kept], rows[kept]
            last = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        else:
            last = scores[-1]
        found: Rows = rows[scores > last]
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
