"""What is known of an item that nobody has bought yet: its features, and how items with them fare.

Two things tell who will turn to it: how well items with its features sell, and how much more this
customer turns to these features than everybody buys of them. Each feature is taken as if it said
something of its own, as naive Bayes does, and a missing one says nothing.

How well items sell is the square of their mean root of buyers: by the mean alone, one item that
everybody buys would speak for all its kind; by whether they are bought at all, it would say no more
than one with a single buyer.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from models.numeric.array_types import Doubles, Rows

SHRINK = 20.0  # purchases of everybody that a customer's few interactions are seen among
FEW = 5.0  # items like all others that those with a feature are seen among
_NEVER = 1e-9  # purchases of what nobody bought: only ratios to it are used


class NewItems:
    """How the items in `rows` (n,) of a catalogue fit a customer by their features alone."""

    def __init__(
        self, features: Sequence[Mapping[str, Sequence[str]]], buyers: Doubles, rows: Rows
    ) -> None:
        """Count features; `features` and `buyers`, how many bought it, are of all (items,)."""
        names: dict[str, int] = {}
        values: dict[tuple[str, str], int] = {}
        owners: list[int] = []
        held: list[int] = []
        of_name: list[int] = []
        for item, said in enumerate(features):
            for name, given in said.items():
                for value in given:
                    number = values.setdefault((name, value), len(values))
                    if number == len(of_name):
                        of_name.append(names.setdefault(name, len(names)))
                    owners.append(item)
                    held.append(number)
        self.rows = rows
        self._held, self._of_name = np.array(held, np.int64), np.array(of_name, np.int64)
        owner, size = np.array(owners, np.int64), len(values)
        self._starts = np.searchsorted(owner, np.arange(len(features) + 1))
        with_it = np.bincount(self._held, minlength=size)
        roots = np.sqrt(buyers + _NEVER)
        ratio = np.bincount(self._held, roots[owner], size) / roots.mean()
        self._rates = 2.0 * np.log((ratio + FEW) / (with_it + FEW))
        sold = np.bincount(self._held, buyers[owner], size) + _NEVER
        self._shares = sold / np.bincount(self._of_name, sold)[self._of_name]
        places = np.full(len(features), -1, np.int64)
        places[rows] = np.arange(len(rows))
        mine = places[owner] >= 0
        self._new_held, self._new_owner = self._held[mine], places[owner[mine]]

    def scores(self, items: Rows, counts: Doubles) -> Doubles:
        """Return a score (n,) for a customer who interacted with `items` (m,) so often each.

        It is the log of how much likelier the customer turns to an item for its features.
        """
        starts, sizes = self._starts[items], np.diff(self._starts)[items]
        at = np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
        own = np.bincount(self._held[at], np.repeat(counts, sizes), len(self._shares))
        of_name = np.bincount(self._of_name, own)[self._of_name]
        lifts = np.log((own + SHRINK * self._shares) / ((of_name + SHRINK) * self._shares))
        total = self._rates + lifts
        found = np.bincount(self._new_owner, total[self._new_held], len(self.rows))
        return found.astype(np.float64)
