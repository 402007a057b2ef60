"""What exploration leaves in a decision: the candidates that might have been shown, and how likely.

A propensity is worked out over the candidates of both tiers that nothing bars but what is shown
beside them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.decision.recorded import Given
from models.decision.slate import NO_CLASS, Walk, class_of
from models.numeric.array_types import Rows
from models.numeric.propensity import Contest, propensities
from models.policy.schema import Policy
from models.ranking.offer_index import OfferIndex
from models.ranking.ranking import Ranking


class Exploring:
    """The open candidates (n,) of a walk, and the classes (rules, n) that diversity looks at."""

    def __init__(self, index: OfferIndex, policy: Policy, walk: Walk, given: Given | None) -> None:
        self._policy, self._walk = policy, walk
        rows = self._joined(lambda ranking: ranking.rows)
        if given is not None:
            self.open, self.classes = given.open[rows], given.classes[:, rows]
            return
        leads = self._joined(lambda ranking: ranking.leads)
        self.open = np.concatenate([walk.open(ranking) for ranking in walk.rankings])
        self.classes = _classes(index, policy, rows, leads)

    def propensities(self, count: int) -> list[float]:
        """Return the probability that the draws lead to a slate of `count` with each offer shown.

        0 where rules of diversity overlap so that it is not known.
        """
        policy, walk = self._policy, self._walk
        open_ = np.flatnonzero(self.open)
        first, *later = (len(ranking) for ranking in walk.rankings)
        contest = Contest(
            log_weights=self._joined(lambda ranking: ranking.bases + ranking.worths)[open_],
            leads=self._joined(lambda ranking: ranking.leads)[open_],
            later=(np.arange(first + sum(later)) >= first)[open_],
            classes=self.classes[:, open_],
            limits=tuple(rule.limit for rule in policy.diversity),
        )
        shown = np.array([place.rank - 1 for place in walk.shown], np.int64)
        wanted = np.searchsorted(open_, shown)
        found = propensities(contest, policy.exploration.temperature, count, wanted)
        return [0.0] * len(shown) if found is None else found.tolist()

    def _joined(self, part: Callable[[Ranking], Rows]) -> Rows:
        return np.concatenate([part(ranking) for ranking in self._walk.rankings])


def _classes(index: OfferIndex, policy: Policy, rows: Rows, leads: Rows) -> NDArray[np.int64]:
    """Return (rules, candidates) numbers of the values that diversity looks at, -1 for none."""
    found = np.full((len(policy.diversity), len(rows)), NO_CLASS, np.int64)
    for number, rule in enumerate(policy.diversity):
        numbers = {"": NO_CLASS}
        for at, pair in enumerate(zip(rows.tolist(), leads.tolist(), strict=True)):
            value = class_of(index, *pair, rule.feature)
            found[number, at] = numbers.setdefault(value, len(numbers) - 1)
    return found
