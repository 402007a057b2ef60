"""One channel's way down the ranking: each offer is shown, or withheld with a reason."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.decision.filters import Barrier
from models.domain.catalogue import stock_age
from models.domain.decisions import Reason, Request, Withheld
from models.numeric.array_types import Rows
from models.policy.cool_downs import Closed
from models.policy.schema import AtMost
from models.ranking.offer_index import OfferIndex
from models.ranking.ranking import Ranking

NO_CLASS = -1


class Place(NamedTuple):
    """One offer's place in the ranking: its row, the item row that leads it, where it stands.

    `at` counts within its tier from 0, `rank` over both from 1.
    """

    offer: str
    row: int
    lead: int
    rank: int
    tier: int
    at: int


class Walk:
    """Takes rankings, one below the other, until as many offers are shown as were asked for.

    `closed` are offers that are not shown on any channel; no offer is shown, either, that only an
    item of `out` can lead. `barriers` are those of the channel. Of offers with the same lead, and
    beyond what `diversity` allows, only the first are shown.
    """

    def __init__(
        self,
        index: OfferIndex,
        request: Request,
        closed: Mapping[str, Closed],
        out: frozenset[int],
        barriers: list[Barrier],
        diversity: tuple[AtMost, ...],
    ) -> None:
        self._index = index
        self._request = request
        self._closed = closed
        self._out = out
        self._barriers = barriers
        self._diversity = diversity
        self.rankings: list[Ranking] = []
        self.shown: list[Place] = []
        self._leads: list[int] = []  # of those shown
        self._values: list[list[str]] = [[] for _ in diversity]  # of those shown, by rule
        self.withheld: list[Withheld] = []
        self.withheld_above = 0  # how many of `withheld` stand above the last offer shown

    @property
    def missing(self) -> int:
        """Return how many places are left."""
        return self._request.count - len(self.shown)

    @property
    def full(self) -> bool:
        """Tell whether as many are shown as were asked for."""
        return self.missing <= 0

    def take(self, ranking: Ranking, tier: int) -> None:
        """Walk on over `ranking`, which stands below everything before."""
        ids = self._index.ids
        first = sum(map(len, self.rankings)) + 1
        self.rankings.append(ranking)
        found = self._barred(ranking).tolist()
        leads = ranking.leads.tolist()
        for at, row in enumerate(ranking.rows.tolist()):
            if self.full:
                break
            place = Place(ids[row], row, leads[at], first + at, tier, at)
            why = self._why(place, found[at])
            if why is None:
                self.shown.append(place)
                self._leads.append(place.lead)
                for values, value in zip(self._values, self._classes(place), strict=True):
                    values.append(value)
                self.withheld_above = len(self.withheld)
            else:
                as_of = self._counted(place.lead) if why.reason == Reason.OUT_OF_STOCK else None
                self.withheld.append(Withheld(place.offer, place.rank, why.reason, as_of, why.rule))
        if not self.full:
            # Not even the end of the ranking filled the slate: every absence is of interest.
            self.withheld_above = len(self.withheld)

    def undo(self, shown: int, withheld: int) -> None:
        """Take back the last ranking; before it so many were shown and withheld."""
        self.rankings.pop()
        del self.shown[shown:], self.withheld[withheld:]
        del self._leads[shown:]
        for values in self._values:
            del values[shown:]
        self.withheld_above = len(self.withheld)

    def open(self, ranking: Ranking) -> NDArray[np.bool_]:
        """Return which offers of `ranking` (n,) nothing bars but what is shown beside them."""
        found = self._barred(ranking) < 0
        closed = [row for offer in self._closed if (row := self._index.row_of(offer)) is not None]
        found &= ~(np.isin(ranking.rows, closed) | np.isin(ranking.leads, list(self._out)))
        return found

    def barrier(self, row: int, lead: int) -> Barrier | None:
        """Return the first barrier that bars the offer of `row`, led by the item row `lead`."""
        return next(
            (
                barrier
                for barrier in self._barriers
                if barrier.rows[row] or (barrier.leads and barrier.rows[lead])
            ),
            None,
        )

    def again(self, rankings: list[Ranking]) -> "Walk":
        """Return the same way down other rankings, one below the other."""
        walk = Walk(
            self._index, self._request, self._closed, self._out, self._barriers, self._diversity
        )
        for tier, ranking in enumerate(rankings):
            walk.take(ranking, tier)
        return walk

    def _barred(self, ranking: Ranking) -> Rows:
        """Return which barrier is the first to bar each offer (n,), -1 for none."""
        found = np.full(len(ranking), -1, np.int64)
        for number in reversed(range(len(self._barriers))):
            barrier = self._barriers[number]
            found[barrier.rows[ranking.rows]] = number
            if barrier.leads:
                found[barrier.rows[ranking.leads]] = number
        return found

    def _why(self, place: Place, barrier: int) -> Closed | None:
        closed = self._closed.get(place.offer)
        if closed is not None:
            return closed
        if place.lead in self._out:
            return self._closed[self._index.ids[place.lead]]
        if barrier >= 0:
            return Closed(self._barriers[barrier].reason, self._barriers[barrier].rule)
        if place.lead in self._leads:
            return Closed(Reason.DIVERSITY)
        for rule, values, value in zip(
            self._diversity, self._values, self._classes(place), strict=True
        ):
            if value and values.count(value) >= rule.limit:
                return Closed(Reason.DIVERSITY, rule.feature)
        return None

    def _classes(self, place: Place) -> list[str]:
        """Return what each rule of diversity looks at."""
        return [
            class_of(self._index, place.row, place.lead, rule.feature) for rule in self._diversity
        ]

    def _counted(self, lead: int) -> int | None:
        item = self._index.catalogue.items[self._index.item_ids[lead]]
        return stock_age(item.stock, self._request.place) or stock_age(item.stock, "")


def class_of(index: OfferIndex, row: int, lead: int, feature: str) -> str:
    """Return the first value of an offer's feature, else of the item that leads it; "" without."""
    return index.value_of(row, feature) or index.value_of(lead, feature)
