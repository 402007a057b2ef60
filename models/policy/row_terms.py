"""Which rows of an index have what rules and channels look for: an inverted index of terms.

A term is a kind and a value: of a group, a sensitivity, a feature, a channel that an offer is for,
a place that has stock. What nearly all rows have is told by its absence, so that a new row costs
the terms that it has.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import Offer, Row
from models.domain.persistent_map import PersistentMap
from models.domain.row_changes import RowChange
from models.domain.string_table import StringTable
from models.numeric.array_file import Arrays, nested, part
from models.numeric.array_types import Mask

Term = tuple[str, str]
Postings = NDArray[np.int32]

ANY = ""  # the value of a term that says that there is some value
CLASS, GROUP, SENSITIVITY, FEATURE = "class", "group", "sensitivity", "feature "
CHANNEL, CREATIVE, TRACKED, STOCKED = "channel", "creative", "tracked", "stocked"
UNSAID_CLASS = "marketing"  # the class of most offers
_NO_ROWS: Postings = np.empty(0, np.int32)


class RowTerms:
    """The rows of each term, ascending; immutable. Row k is the k-th of the rows given.

    The rows of all terms stand one behind the other: those of the n-th from `ends[n]` to
    `ends[n + 1]`. Terms whose rows changed since have them in a map beside.
    """

    def __init__(self, rows: Sequence[Row | None]) -> None:
        """Look at all `rows`, of which None is nobody's."""
        found: dict[Term, list[int]] = {}
        for at, row in enumerate(rows):
            if row is not None:
                for term in terms_of(row):
                    found.setdefault(term, []).append(at)
        terms = sorted(found, key=lambda term: _name(*term))
        having = [found[term] for term in terms]
        ends = np.fromiter(accumulate(map(len, having), initial=0), np.int64, len(terms) + 1)
        every = np.fromiter(chain.from_iterable(having), np.int32, int(ends[-1]))
        self._set(len(rows), StringTable(_name(*term) for term in terms), every, ends)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "RowTerms":
        """Return the terms whose `arrays` these are."""
        found = cls.__new__(cls)
        names = StringTable.of_arrays(part("names", arrays))
        found._set(int(arrays["size"][0]), names, arrays["rows"], arrays["ends"])
        return found

    def arrays(self) -> Arrays:
        """Return all that the terms are made of; none may have changed since they were made."""
        assert not self._changed, "terms are to be made anew first"
        size = np.array([self._size], np.int64)
        names = dict(nested("names", self._names.arrays()))
        return {"size": size, "rows": self._rows, "ends": self._ends, **names}

    def rows(self, kind: str, value: str) -> Postings:
        """Return the rows of a term, ascending; not to be written to."""
        changed: Postings | None = self._changed.get((kind, value))
        if changed is not None:
            return changed
        number = self._names.number(_name(kind, value))
        if number is None:
            return _NO_ROWS
        found: Postings = self._rows[self._ends[number] : self._ends[number + 1]]
        return found

    def values(self, kind: str) -> list[str]:
        """Return the values that there are, or were, of a kind."""
        front = _name(kind, "")
        first = bisect_left(self._names, front)
        names = takewhile(
            lambda name: name.startswith(front),
            map(self._names.__getitem__, range(first, len(self._names))),
        )
        changed = (value for there, value in self._changed if there == kind)
        return list(dict.fromkeys(chain((name[len(front) :] for name in names), changed)))

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
            having: Any = self.rows(*term)
            if term in lost:
                having = np.setdiff1d(having, np.array(lost[term], np.int32), assume_unique=True)
            if term in gained:
                more = np.array(sorted(gained[term]), np.int32)
                having = np.insert(having, np.searchsorted(having, more), more)
            postings[term] = having
        later = RowTerms.__new__(RowTerms)
        later._set(self._size, self._names, self._rows, self._ends)
        later._changed = self._changed.updated(postings)
        return later, frozenset(kind for kind, _ in postings)

    def _set(self, size: int, names: StringTable, rows: Postings, ends: NDArray[np.int64]) -> None:
        self._size, self._names, self._rows, self._ends = size, names, rows, ends
        self._changed: PersistentMap[Term, Postings] = PersistentMap()


def _name(kind: str, value: str) -> str:
    """Return a term as one string; all of one kind stand together in the order of these."""
    return f"{len(kind)} {kind}{value}"


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
