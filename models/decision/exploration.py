"""What exploration leaves in a decision: the candidates that might have been shown, and how likely.

A propensity is worked out over the candidates of both tiers that only diversity could keep from the
slate.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.decision.slate import class_of
from models.decision.stages import Stages
from models.numeric.array_types import Rows
from models.numeric.propensity import Contest, propensities
from models.policy.schema import AtMost
from models.ranking.offer_index import OfferIndex
from models.ranking.ranking import Ranking

NO_CLASS = -1


class OpenCandidates:
    """The open candidates (n,) of a decision, and the classes (rules, n) that diversity sees."""

    def __init__(self, stages: Stages) -> None:
        inputs, filled = stages.inputs, stages.filled
        self._policy, self._filled = inputs.shared.policy, filled
        rows = self._joined(lambda ranking: ranking.rows)
        if inputs.recorded is not None:
            self.open, self.classes = inputs.recorded.open[rows], inputs.recorded.classes[:, rows]
            return
        leads = self._joined(lambda ranking: ranking.leads)
        self.open = np.concatenate([filled.rules.open(ranking) for ranking in filled.rankings])
        self.classes = _classes(inputs.shared.index, self._policy.diversity, rows, leads)

    def propensities(self, count: int) -> list[float]:
        """Return the probability that the draws lead to a slate of `count` with each offer shown.

        0 where rules of diversity overlap so that it is not known.
        """
        policy, filled = self._policy, self._filled
        open_ = np.flatnonzero(self.open)
        first, *later = (len(ranking) for ranking in filled.rankings)
        contest = Contest(
            log_weights=self._joined(lambda ranking: ranking.base_scores + ranking.value_terms)[
                open_
            ],
            leads=self._joined(lambda ranking: ranking.leads)[open_],
            later=(np.arange(first + sum(later)) >= first)[open_],
            classes=self.classes[:, open_],
            limits=tuple(rule.limit for rule in policy.diversity),
        )
        shown = np.array([place.rank - 1 for place in filled.shown], np.int64)
        wanted = np.searchsorted(open_, shown)
        found = propensities(contest, policy.exploration.temperature, count, wanted)
        return [0.0] * len(shown) if found is None else found.tolist()

    def _joined(self, part: Callable[[Ranking], Rows]) -> Rows:
        return np.concatenate([part(ranking) for ranking in self._filled.rankings])


def _classes(
    index: OfferIndex, diversity: tuple[AtMost, ...], rows: Rows, leads: Rows
) -> NDArray[np.int64]:
    """Return (rules, candidates) numbers of the values that diversity looks at, -1 for none."""
    found = np.full((len(diversity), len(rows)), NO_CLASS, np.int64)
    for number, rule in enumerate(diversity):
        numbers = {"": NO_CLASS}
        for at, pair in enumerate(zip(rows.tolist(), leads.tolist(), strict=True)):
            value = class_of(index, *pair, rule.feature)
            found[number, at] = numbers.setdefault(value, len(numbers) - 1)
    return found
