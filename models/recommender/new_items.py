"""What is known of an item that nobody has bought yet: its features, and how items with them fare.

Two things tell who will turn to it: how well items with its features sell, and how much more this
customer turns to these features than everybody buys of them. Each feature is taken as if it said
something of its own, as naive Bayes does, and a missing one says nothing.

How well items sell is the square of their mean root of buyers: by the mean alone, one item that
everybody buys would speak for all its kind; by whether they are bought at all, it would say no more
than one with a single buyer.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.domain.persistent_map import PersistentMap
from models.domain.string_table import StringTable
from models.numeric.array_file import Arrays, nested, part
from models.numeric.array_types import Doubles, Rows
from models.numeric.fixed import ONE
from models.numeric.patches import patched

SHRINK = 20.0  # purchases of everybody that a customer's few interactions are seen among
FEW = 5.0  # items like all others that those with a feature are seen among
_NEVER = 1e-9  # purchases of what nobody bought: only ratios to it are used

Features = Mapping[str, Sequence[str]]


class FeatureChange(NamedTuple):
    """An item, by its row, whose features were `before` and are `after`; None: it was or is none.

    `buyers` is how many bought it.
    """

    row: int
    before: Features | None
    after: Features | None
    buyers: float


class NewItems:
    """How items of a catalogue that nobody bought fit a customer by their features; immutable.

    All sums over items are of whole numbers: the order in which items came does not count. A value
    of a feature has a number, by which what is counted of it lies in arrays.
    """

    def __init__(
        self,
        features: Sequence[Features | None],
        buyers: Doubles,
        rows: Rows,
    ) -> None:
        """Count `features` (items,), None where a row is no item's, and `buyers` (items,).

        `rows` (n,) are those of the items that are new.
        """
        self.rows = rows
        self._values = StringTable(())
        self._later: PersistentMap[str, int] = PersistentMap()
        self._names: dict[str, int] = {}
        self._of_name = self._with_it = self._roots = self._sold = np.empty(0, np.int64)
        added: dict[tuple[str, str], int] = {}
        held: list[int] = []
        sizes = np.zeros(len(features), np.int64)
        for row, said in enumerate(features):
            if said:
                found = self._numbers(said, added)
                held += found
                sizes[row] = len(found)
        self._held = np.array(held, np.int64)
        self._sizes, self._starts = sizes, np.cumsum(sizes) - sizes
        self._items = len(features) - sum(said is None for said in features)
        roots = _roots(buyers)
        here = np.array([said is not None for said in features], np.bool_)
        self._all_roots = int(roots[here].sum())
        owner = np.repeat(np.arange(len(features)), sizes)
        self._grow(added)
        np.add.at(self._with_it, self._held, 1)
        np.add.at(self._roots, self._held, roots[owner])
        np.add.at(self._sold, self._held, buyers[owner].astype(np.int64))
        self._values = StringTable(_key(*value) for value in added)
        self._later = PersistentMap()

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "NewItems":
        """Return what is known of items, whose `arrays` these are."""
        found = cls.__new__(cls)
        found.rows, found._held = arrays["rows"], arrays["held"]
        found._starts, found._sizes = arrays["starts"], arrays["sizes"]
        found._of_name, found._with_it = arrays["of_name"], arrays["with_it"]
        found._roots, found._sold = arrays["roots"], arrays["sold"]
        found._items, found._all_roots = arrays["sums"].tolist()
        found._values = StringTable.of_arrays(part("values", arrays))
        found._later = PersistentMap()
        names = StringTable.of_arrays(part("names", arrays))
        found._names = {name: number for number, name in enumerate(names)}
        return found

    def arrays(self) -> Arrays:
        """Return all that is known; nothing may have changed since it was made."""
        assert not self._later, "new items are to be counted anew first"
        return {
            "rows": self.rows,
            "held": self._held,
            "starts": self._starts,
            "sizes": self._sizes,
            "of_name": self._of_name,
            "with_it": self._with_it,
            "roots": self._roots,
            "sold": self._sold,
            "sums": np.array([self._items, self._all_roots], np.int64),
            **dict(nested("values", self._values.arrays())),
            **dict(nested("names", StringTable(self._names).arrays())),
        }

    def updated(self, changes: Iterable[FeatureChange], rows: Rows) -> "NewItems":
        """Return the same after items changed or came; `rows` (n,) are those that are new now."""
        later = copy(self)
        for name in ("_totals", "_of_new"):
            later.__dict__.pop(name, None)
        later.rows = rows
        places: list[tuple[int, int, int]] = []  # of each row, where its values begin, how many
        more: list[int] = []
        counted: list[tuple[int, int, int, int]] = []  # value, items, roots, buyers
        added: dict[tuple[str, str], int] = {}
        for row, before, after, buyers in changes:
            root, sold = int(_roots(np.array(buyers))), int(buyers)
            for said, sign in ((before, -1), (after, 1)):
                if said is not None:
                    held = self._numbers(said, added)
                    counted += [(value, sign, sign * root, sign * sold) for value in held]
                    later._items += sign
                    later._all_roots += sign * root
            if after is not None:
                places.append((row, len(self._held) + len(more), len(held)))
                more += held
        if counted:
            later._grow(added)
            value, items, roots, sold_ = np.array(counted, np.int64).T
            np.add.at(later._with_it, value, items)
            np.add.at(later._roots, value, roots)
            np.add.at(later._sold, value, sold_)
        if more:
            later._held = np.concatenate([self._held, np.array(more, np.int64)])
        at = [row for row, _, _ in places]
        later._starts = patched(self._starts, at, [start for _, start, _ in places])
        later._sizes = patched(self._sizes, at, [size for _, _, size in places])
        return later

    def scores(self, items: Rows, counts: Doubles) -> Doubles:
        """Return a score (n,) for a customer who interacted with `items` (m,) so often each.

        It is the log of how much likelier the customer turns to an item for its features.
        """
        rates, shares = self._totals
        sizes = self._sizes[items]
        own = np.bincount(
            self._held[self._places(items)], np.repeat(counts, sizes), len(self._of_name)
        )
        of_name = np.bincount(self._of_name, own)[self._of_name]
        lifts = np.log((own + SHRINK * shares) / ((of_name + SHRINK) * shares))
        total = rates + lifts
        held, owner = self._of_new
        return np.bincount(owner, total[held], len(self.rows)).astype(np.float64)

    @cached_property
    def _totals(self) -> tuple[Doubles, Doubles]:
        """Return the log rate of each value, and its share among those of its feature."""
        mean = self._all_roots / max(self._items, 1)
        rates = 2.0 * np.log((self._roots / mean + FEW) / (self._with_it + FEW))
        # A value that no item has any more says nothing, and is no part of its feature.
        sold = np.where(self._with_it > 0, self._sold + _NEVER, 0.0)
        of_name = np.bincount(self._of_name, self._sold)[self._of_name]
        values = np.bincount(self._of_name, self._with_it > 0)[self._of_name]
        shares = sold / np.where(values > 0, of_name + values * _NEVER, 1.0)
        return rates, np.where(self._with_it > 0, shares, 1.0)

    @cached_property
    def _of_new(self) -> tuple[Rows, Rows]:
        """Return the values that new items have, and the place of the item of each."""
        return self._held[self._places(self.rows)], np.repeat(
            np.arange(len(self.rows)), self._sizes[self.rows]
        )

    def _places(self, rows: Rows) -> Rows:
        """Return the places of the values of all `rows`, one row after the other."""
        starts, sizes = self._starts[rows], self._sizes[rows]
        found: Rows = np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
        return found

    def _numbers(self, features: Features, added: dict[tuple[str, str], int]) -> list[int]:
        """Return the values of an item, each as often as it has it; new ones are put in `added`."""
        found = []
        for name, said in features.items():
            for value in said:
                key = _key(name, value)
                number = self._values.number(key)
                if number is None:
                    number = self._later.get(key)
                if number is None:
                    number = added.setdefault((name, value), len(self._of_name) + len(added))
                found.append(number)
        return found

    def _grow(self, added: Mapping[tuple[str, str], int]) -> None:
        """Copy what is counted of each value, with room for those that are new."""
        later = {_key(name, value): number for (name, value), number in added.items()}
        self._later = self._later.updated(later)
        self._names = dict(self._names)
        more = [self._names.setdefault(name, len(self._names)) for name, _ in added]
        self._of_name = np.concatenate([self._of_name, np.array(more, np.int64)])
        none = np.zeros(len(more), np.int64)
        self._with_it = np.concatenate([self._with_it, none])
        self._roots = np.concatenate([self._roots, none])
        self._sold = np.concatenate([self._sold, none])


def _key(name: str, value: str) -> str:
    """Return a value of a feature as one string, which is that of no other."""
    return f"{len(name)} {name}{value}"


def _roots(buyers: Doubles) -> Rows:
    """Return the roots of numbers of buyers, in units of 2^-20."""
    found: Rows = np.rint(np.sqrt(buyers + _NEVER) * ONE).astype(np.int64)
    return found
