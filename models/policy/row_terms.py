"""Which rows of an index have what rules and channels look for: an inverted index of terms.

A term is a kind and a value: of a group, a sensitivity, a feature, a channel that an offer is for,
a place that has stock. What nearly all rows have is told by its absence, so that a new row costs
the terms that it has.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import Offer, Row
from models.domain.persistent_map import PersistentMap
from models.domain.row_changes import RowChange
from models.numeric.array_types import Mask

Term = tuple[str, str]
Postings = NDArray[np.int32]

ANY = ""  # the value of a term that says that there is some value
CLASS, GROUP, SENSITIVITY, FEATURE = "class", "group", "sensitivity", "feature "
CHANNEL, CREATIVE, TRACKED, STOCKED = "channel", "creative", "tracked", "stocked"
UNSAID_CLASS = "marketing"  # the class of most offers
_NO_ROWS: Postings = np.empty(0, np.int32)


class RowTerms:
    """The rows of each term, ascending; immutable. Row k is the k-th of the rows given."""

    def __init__(self, rows: Sequence[Row | None]) -> None:
        """Look at all `rows`, of which None is nobody's."""
        self._size = len(rows)
        found: dict[Term, list[int]] = {}
        for at, row in enumerate(rows):
            if row is not None:
                for term in terms_of(row):
                    found.setdefault(term, []).append(at)
        self._postings = PersistentMap(
            {term: np.array(having, np.int32) for term, having in found.items()}
        )

    def rows(self, kind: str, value: str) -> Postings:
        """Return the rows of a term, ascending; not to be written to."""
        found: Postings = self._postings.get((kind, value), _NO_ROWS)
        return found

    def mask(self, kind: str, values: Iterable[str]) -> Mask:
        """Return which rows have one of the terms of a kind."""
        found = np.zeros(self._size, np.bool_)
        for value in values:
            if kind == CLASS and value == UNSAID_CLASS:
                found |= ~self.mask(CLASS, (ANY,))
            else:
                found[self.rows(kind, value)] = True
        return found

    def updated(self, changes: Iterable[RowChange]) -> tuple["RowTerms", frozenset[str]]:
        """Return the terms after changes of rows, and the kinds of term that differ."""
        gained: dict[Term, list[int]] = {}
        lost: dict[Term, list[int]] = {}
        for row, before, after in changes:
            if before is not None and after is not None and _said(before) == _said(after):
                continue
            old = set() if before is None else set(terms_of(before))
            new = set() if after is None else set(terms_of(after))
            for term in new - old:
                gained.setdefault(term, []).append(row)
            for term in old - new:
                lost.setdefault(term, []).append(row)
        if not gained and not lost:
            return self, frozenset()
        postings = {}
        for term in gained.keys() | lost.keys():
            having: Any = self._postings.get(term, _NO_ROWS)
            if term in lost:
                having = np.setdiff1d(having, np.array(lost[term], np.int32), assume_unique=True)
            if term in gained:
                more = np.array(sorted(gained[term]), np.int32)
                having = np.insert(having, np.searchsorted(having, more), more)
            postings[term] = having
        later = RowTerms.__new__(RowTerms)
        later._size = self._size
        later._postings = self._postings.updated(postings)
        return later, frozenset(kind for kind, _ in postings)


def terms_of(row: Row) -> Iterator[Term]:
    """Yield the terms of an item, which stands for its default offer, or of an offer."""
    if row.offer_class != UNSAID_CLASS:
        yield CLASS, ANY
        yield CLASS, row.offer_class
    if row.sensitivity:
        yield SENSITIVITY, row.sensitivity
    for group in dict.fromkeys(row.groups):
        yield GROUP, group
    for name, values in row.features.items():
        for value in values if len(values) == 1 else dict.fromkeys(values):
            yield FEATURE + name, value
    if row.stock:
        yield TRACKED, ANY
        places = {entry.place for entry in row.stock if entry.quantity > 0}
        if places:
            yield STOCKED, ANY
            for place in places - {ANY}:
                yield STOCKED, place
    if isinstance(row, Offer):
        if row.channels:
            yield CHANNEL, ANY
            for channel in dict.fromkeys(row.channels):
                yield CHANNEL, channel
        if row.creatives:
            yield CREATIVE, ANY
            for channel in row.creatives:
                yield CREATIVE, channel


def _said(row: Row) -> tuple[Any, ...]:
    """Return all that the terms of a row are made of."""
    where = (row.channels, row.creatives) if isinstance(row, Offer) else ()
    return row.features, row.stock, row.offer_class, row.sensitivity, row.groups, where
