"""The smallest change that would have shown an offer, verified by deciding again.

Where one change suffices, each kind that does is told, by the least that does. Where several stages
block, what lifts the first is applied, then what lifts the next, up to three; of these, all that
can be dropped is dropped, so that without any member of the set the offer is still not shown.
"""

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

from models.decision.decide import run_stages
from models.decision.outcome import OfferOutcome, Stage, offer_outcome
from models.decision.stages import Stages
from models.explanation.counterfactuals import (
    Counterfactual,
    CounterfactualKind,
    apply_counterfactual,
)
from models.explanation.proposals import proposals

MOST = 3  # changes in one set
DECISIONS = 40  # tried again at most


class MinimalChange(NamedTuple):
    """`sets` of changes, each of which shows the offer; none: no small change does.

    `stopped` is where the offer stands, and then where it stood after each change tried on the way
    that led farthest.
    """

    sets: tuple[tuple[Counterfactual, ...], ...]
    stopped: tuple[OfferOutcome, ...]


class _Spent(Exception):
    """So many decisions have been tried that no more are."""


class _Tried(NamedTuple):
    """The stages of a decision, and what became of the offer in it."""

    stages: Stages
    outcome: OfferOutcome


class _Search:
    """Looks for what shows one offer."""

    def __init__(self, stages: Stages, offer: str, before_each: Callable[[], None]) -> None:
        self._offer = offer
        self._before_each = before_each
        self._left = DECISIONS
        self._first = _Tried(stages, offer_outcome(stages, offer))
        self.stopped: tuple[OfferOutcome, ...] = (self._first.outcome,)

    def single(self) -> tuple[tuple[Counterfactual, ...], ...]:
        """Return the changes that suffice by themselves, the least of each kind."""
        found: dict[tuple[CounterfactualKind, str], tuple[Counterfactual, ...]] = {}
        for change in proposals(self._first.stages, self._offer, self._first.outcome):
            key = (change.kind, change.about)
            if key not in found and self._shown((change,)):
                found[key] = (change,)
        return tuple(found.values())

    def several(self) -> tuple[tuple[Counterfactual, ...], ...]:
        """Return one set of changes that suffices, of which none can be dropped."""
        found = self._deeper(self._first, (), (self._first.outcome,))
        if found is None:
            return ()
        for size in range(1, len(found)):
            for fewer in combinations(found, size):
                if self._shown(fewer):
                    return (fewer,)
        return (found,)

    def _deeper(
        self, tried: _Tried, changes: tuple[Counterfactual, ...], path: tuple[OfferOutcome, ...]
    ) -> tuple[Counterfactual, ...] | None:
        if len(path) > len(self.stopped):
            self.stopped = path
        if len(changes) == MOST:
            return None
        for change in proposals(tried.stages, self._offer, tried.outcome):
            if change.kind == CounterfactualKind.RATE:
                continue  # what a lever is, of a rate that nobody sets
            later = self._after(tried, change)
            if later.outcome.stage == Stage.SHOWN:
                return (*changes, change)
            if later.outcome in path:
                continue  # it lifted nothing
            found = self._deeper(later, (*changes, change), (*path, later.outcome))
            if found is not None:
                return found
        return None

    def _shown(self, changes: tuple[Counterfactual, ...]) -> bool:
        tried = self._first
        for change in changes:
            tried = self._after(tried, change)
        return tried.outcome.stage == Stage.SHOWN

    def _after(self, tried: _Tried, change: Counterfactual) -> _Tried:
        if self._left <= 0:
            raise _Spent
        self._left -= 1
        self._before_each()
        stages = run_stages(apply_counterfactual(tried.stages, self._offer, change))
        return _Tried(stages, offer_outcome(stages, self._offer))


def minimal_change(
    stages: Stages, offer: str, before_each: Callable[[], None] = lambda: None
) -> MinimalChange:
    """Return what would have shown `offer` in a decision.

    `before_each` is called before each decision that is tried; what it raises ends the search.
    """
    search = _Search(stages, offer, before_each)
    try:
        found = search.single() or search.several()
    except _Spent:
        found = ()
    return MinimalChange(found, search.stopped)
