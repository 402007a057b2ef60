"""The smallest change that would have shown an offer, verified by deciding again.

Where one change suffices, each kind that does is told, by the least that does. Where several stages
block, what lifts the first is applied, then what lifts the next, up to three; of these, all that
can be dropped is dropped, so that without any member of the set the offer is still not shown.
"""

from itertools import combinations
from typing import NamedTuple

from models.decision.decide import Deciding
from models.decision.outcome import Stage, Standing, standing
from models.explanation.counterfactuals import Case, Change, Kind, changed
from models.explanation.proposals import proposals

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


class _Made(NamedTuple):
    """A case, what was decided in it, and where the offer then stands."""

    case: Case
    deciding: Deciding
    standing: Standing


class _Search:
    """Looks for what shows one offer."""

    def __init__(self, case: Case, deciding: Deciding, offer: str) -> None:
        self._offer = offer
        self._left = DECISIONS
        self._first = _Made(case, deciding, standing(deciding, offer))
        self.stopped: tuple[Standing, ...] = (self._first.standing,)

    def single(self) -> tuple[tuple[Change, ...], ...]:
        """Return the changes that suffice by themselves, the least of each kind."""
        found: dict[tuple[Kind, str], tuple[Change, ...]] = {}
        for change in proposals(*self._first[:2], self._offer, self._first.standing):
            key = (change.kind, change.about)
            if key not in found and self._shown((change,)):
                found[key] = (change,)
        return tuple(found.values())

    def several(self) -> tuple[tuple[Change, ...], ...]:
        """Return one set of changes that suffices, of which none can be dropped."""
        found = self._deeper(self._first, (), (self._first.standing,))
        if found is None:
            return ()
        for size in range(1, len(found)):
            for fewer in combinations(found, size):
                if self._shown(fewer):
                    return (fewer,)
        return (found,)

    def _deeper(
        self, made: _Made, changes: tuple[Change, ...], path: tuple[Standing, ...]
    ) -> tuple[Change, ...] | None:
        if len(path) > len(self.stopped):
            self.stopped = path
        if len(changes) == MOST:
            return None
        for change in proposals(made.case, made.deciding, self._offer, made.standing):
            if change.kind == Kind.RATE:
                continue  # what a lever is, of a rate that nobody sets
            later = self._after(made, change)
            if later.standing.stage == Stage.SHOWN:
                return (*changes, change)
            if later.standing in path:
                continue  # it lifted nothing
            found = self._deeper(later, (*changes, change), (*path, later.standing))
            if found is not None:
                return found
        return None

    def _shown(self, changes: tuple[Change, ...]) -> bool:
        made = self._first
        for change in changes:
            made = self._after(made, change)
        return made.standing.stage == Stage.SHOWN

    def _after(self, made: _Made, change: Change) -> _Made:
        if self._left <= 0:
            raise _Spent
        self._left -= 1
        case = changed(made.case, made.deciding, self._offer, change)
        deciding = case.deciding()
        return _Made(case, deciding, standing(deciding, self._offer))


def smallest(case: Case, deciding: Deciding, offer: str) -> Smallest:
    """Return what would have shown `offer` in `deciding`, the decision of `case`."""
    search = _Search(case, deciding, offer)
    try:
        found = search.single() or search.several()
    except _Spent:
        found = ()
    return Smallest(found, search.stopped)
