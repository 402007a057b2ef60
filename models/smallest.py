"""The smallest change that would have shown an offer, verified by deciding again.

Where one change suffices, each kind that does is told, by the least that does. Where several stages
block, what lifts the first is applied, then what lifts the next, up to three; of these, all that
can be dropped is dropped, so that without any member of the set the offer is still not shown.
"""

from itertools import combinations
from typing import NamedTuple

from models.changes import Case, Change, Kind, changed
from models.proposals import proposals
from models.standing import Stage, Standing, standing

MOST = 3  # changes in one set
DECISIONS = 40  # made again at most


class Smallest(NamedTuple):
    """`sets` of changes, each of which shows the offer; none: no small change does.

    `stopped` is where the offer stands, and then where it stood after each change tried on the way
    that led farthest.
    """

    sets: tuple[tuple[Change, ...], ...]
    stopped: tuple[Standing, ...]


class _Spent(Exception):
    """So many decisions have been made that no more are."""


class _Search:
    """Looks for what shows one offer."""

    def __init__(self, case: Case, offer: str) -> None:
        self._case, self._offer = case, offer
        self._left = DECISIONS
        self.stopped: tuple[Standing, ...] = ()

    def after(self, case: Case, changes: tuple[Change, ...]) -> tuple[Case, Standing]:
        """Return the inputs after changes, one upon the other, and where the offer then stands."""
        if self._left <= 0:
            raise _Spent
        self._left -= 1
        deciding = case.deciding()
        for change in changes:
            case = changed(case, deciding, self._offer, change)
            deciding = case.deciding()
        return case, standing(deciding, self._offer)

    def single(self) -> tuple[tuple[Change, ...], ...]:
        """Return the changes that suffice by themselves, the least of each kind."""
        found: dict[tuple[Kind, str], tuple[Change, ...]] = {}
        deciding = self._case.deciding()
        stopped = standing(deciding, self._offer)
        self.stopped = (stopped,)
        for change in proposals(self._case, deciding, self._offer, stopped):
            key = (change.kind, change.about)
            if key not in found and self.after(self._case, (change,))[1].stage == Stage.SHOWN:
                found[key] = (change,)
        return tuple(found.values())

    def several(self) -> tuple[tuple[Change, ...], ...]:
        """Return one set of changes that suffices, of which none can be dropped."""
        found = self._deeper(self._case, (), (self.stopped[0],))
        if found is None:
            return ()
        for size in range(1, len(found)):
            for fewer in combinations(found, size):
                if self.after(self._case, fewer)[1].stage == Stage.SHOWN:
                    return (fewer,)
        return (found,)

    def _deeper(
        self, case: Case, changes: tuple[Change, ...], path: tuple[Standing, ...]
    ) -> tuple[Change, ...] | None:
        if len(path) > len(self.stopped):
            self.stopped = path
        if len(changes) == MOST:
            return None
        deciding = case.deciding()
        for change in proposals(case, deciding, self._offer, path[-1]):
            if change.kind == Kind.RATE:
                continue  # what a lever is, of a rate that nobody sets
            later, stopped = self.after(case, (change,))
            if stopped.stage == Stage.SHOWN:
                return (*changes, change)
            if stopped in path:
                continue  # it lifted nothing
            found = self._deeper(later, (*changes, change), (*path, stopped))
            if found is not None:
                return found
        return None


def smallest(case: Case, offer: str) -> Smallest:
    """Return what would have shown `offer` in the decision of `case`."""
    search = _Search(case, offer)
    try:
        found = search.single() or search.several()
    except _Spent:
        found = ()
    return Smallest(found, search.stopped)
