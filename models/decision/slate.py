"""One channel's way down the ranking: each offer is shown, or withheld with a reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.decision.filters import Filter, rows_of
from models.decision.open_rows import open_rows
from models.domain.catalogue import stock_age
from models.domain.decisions import Request, WithheldOffer
from models.domain.exclusions import Exclusion
from models.domain.reasons import Reason
from models.numeric.array_types import Mask, Rows
from models.policy.schema import AtMost
from models.ranking.offer_index import OfferIndex
from models.ranking.ranking import Ranking


class RankedOffer(NamedTuple):
    """One offer's place in the ranking: its row, the item row that leads it, where it stands.

    `at` counts within its tier from 0, `rank` over both from 1.
    """

    offer: str
    row: int
    lead: int
    rank: int
    tier: int
    at: int


@dataclass(frozen=True)
class SlateRules:
    """What keeps an offer from a slate of one request.

    `closed` are offers that are not shown on any channel, by id; no offer is shown, either, that
    only an item of `closed_leads` can lead. `filters` are those of the channel. Of offers with the
    same lead, and beyond what `diversity` allows, only the first are shown.
    """

    index: OfferIndex
    request: Request
    closed: Mapping[str, Exclusion]
    closed_leads: frozenset[int]
    filters: tuple[Filter, ...]
    diversity: tuple[AtMost, ...]

    def open(self, ranking: Ranking) -> Mask:
        """Return which offers of `ranking` (n,) only diversity could keep from the slate."""
        found = self.first_filters(ranking) < 0
        closed = rows_of(self.index, self.closed)
        leads = list(self.closed_leads)
        found &= ~(np.isin(ranking.rows, closed) | np.isin(ranking.leads, leads))
        return found

    def first_filters(self, ranking: Ranking) -> Rows:
        """Return which filter is the first to exclude each offer (n,), -1 for none."""
        found = np.full(len(ranking), -1, np.int64)
        for number in reversed(range(len(self.filters))):
            one = self.filters[number]
            found[one.rows[ranking.rows]] = number
            if one.leads:
                found[one.rows[ranking.leads]] = number
        return found

    def filtered(self, row: int, lead: int) -> Exclusion | None:
        """Return why the channel does not show the offer of `row`, led by the item row `lead`."""
        return next((one.exclusion for one in self.filters if one.excludes(row, lead)), None)

    def classes(self, row: int, lead: int) -> list[str]:
        """Return what each rule of diversity looks at in the offer of `row`, led by `lead`."""
        return [class_of(self.index, row, lead, rule.feature) for rule in self.diversity]

    def stock_as_of(self, lead: int) -> int | None:
        """Return when the stock of an item was last counted, here or anywhere."""
        item = self.index.catalogue.items[self.index.rows.item_ids[lead]]
        return stock_age(item.stock, self.request.place) or stock_age(item.stock, "")


@dataclass(frozen=True)
class Classes:
    """What diversity counts of the offers shown.

    `leads` (shown,) are the item rows that lead them, `values` (rules, shown) what each rule saw.
    """

    rules: SlateRules
    leads: list[int]
    values: list[list[str]]

    @classmethod
    def none(cls, rules: SlateRules) -> "Classes":
        """Return the counts of a slate that shows nothing yet."""
        return cls(rules, [], [[] for _ in rules.diversity])

    def add(self, row: int, lead: int) -> None:
        """Count one offer more."""
        self.leads.append(lead)
        for values, value in zip(self.values, self.rules.classes(row, lead), strict=True):
            values.append(value)

    def cut(self, shown: int) -> None:
        """Forget all but the first `shown` offers."""
        del self.leads[shown:]
        for values in self.values:
            del values[shown:]

    def bars(self, row: int, lead: int) -> Exclusion | None:
        """Return why the offer of `row`, led by the item row `lead`, has no place beside them."""
        if lead in self.leads:
            return Exclusion(Reason.DIVERSITY)
        for rule, values, value in zip(
            self.rules.diversity, self.values, self.rules.classes(row, lead), strict=True
        ):
            if value and values.count(value) >= rule.limit:
                return Exclusion(Reason.DIVERSITY, rule.feature)
        return None

    def open_rows(self) -> Mask:
        """Return the rows of the index that might have a place beside them."""
        return open_rows(self.rules.index, self.rules.diversity, self.leads, self.values)


class FilledSlate(NamedTuple):
    """What became of each offer of the rankings, one below the other, down to where it was full.

    The first `told` of `withheld` stand above the last offer shown, or are all of interest as the
    slate is not full.
    """

    rules: SlateRules
    rankings: tuple[Ranking, ...]
    shown: tuple[RankedOffer, ...]
    withheld: tuple[WithheldOffer, ...]
    told: int

    @property
    def full(self) -> bool:
        """Tell whether as many are shown as were asked for."""
        return len(self.shown) >= self.rules.request.count

    def crowded_out(self, row: int, lead: int) -> Exclusion | None:
        """Return why the offers shown leave no place for that of `row`, led by `lead`."""
        classes = Classes.none(self.rules)
        for place in self.shown:
            classes.add(place.row, place.lead)
        return classes.bars(row, lead)

    def refilled(self, rankings: list[Ranking]) -> "FilledSlate":
        """Return the same way down other rankings."""
        builder = SlateBuilder(self.rules)
        for tier, ranking in enumerate(rankings):
            builder.add_ranking(ranking, tier)
        return builder.filled()


class SlateBuilder:
    """Takes rankings, one below the other, until as many offers are shown as were asked for."""

    def __init__(self, rules: SlateRules) -> None:
        self._rules = rules
        self._rankings: list[Ranking] = []
        self._shown: list[RankedOffer] = []
        self._classes = Classes.none(rules)
        self._withheld: list[WithheldOffer] = []
        self._told = 0

    @property
    def places_left(self) -> int:
        """Return how many places are left."""
        return self._rules.request.count - len(self._shown)

    @property
    def full(self) -> bool:
        """Tell whether as many are shown as were asked for."""
        return self.places_left <= 0

    def filled(self) -> FilledSlate:
        """Return the slate as it stands."""
        return FilledSlate(
            self._rules,
            tuple(self._rankings),
            tuple(self._shown),
            tuple(self._withheld),
            self._told,
        )

    def add_ranking(self, ranking: Ranking, tier: int) -> None:
        """Walk on over `ranking`, which stands below everything before."""
        rules = self._rules
        ids = rules.index.rows.ids
        first = sum(map(len, self._rankings)) + 1
        self._rankings.append(ranking)
        filters = rules.first_filters(ranking).tolist()
        leads = ranking.leads.tolist()
        for at, row in enumerate(ranking.rows.tolist()):
            if self.full:
                break
            place = RankedOffer(ids[row], row, leads[at], first + at, tier, at)
            excluded = self._excluded(place, filters[at])
            if excluded is None:
                self._show(place)
            else:
                self._withhold(place, excluded)
        if not self.full:
            # Not even the end of the ranking filled the slate: every absence is of interest.
            self._told = len(self._withheld)

    def open_rows(self) -> Mask:
        """Return the rows of the index that diversity leaves a place for."""
        return self._classes.open_rows()

    def rows_shown(self, tier: int) -> Rows:
        """Return the rows of the offers of a tier that are shown."""
        return np.array([place.row for place in self._shown if place.tier == tier], np.int64)

    def position(self) -> tuple[int, int]:
        """Return where the slate stands, for `rollback`."""
        return len(self._shown), len(self._withheld)

    def rollback(self, position: tuple[int, int]) -> None:
        """Take back the last ranking, to the `position` before it."""
        shown, withheld = position
        self._rankings.pop()
        del self._shown[shown:], self._withheld[withheld:]
        self._classes.cut(shown)
        self._told = len(self._withheld)

    def _show(self, place: RankedOffer) -> None:
        self._shown.append(place)
        self._classes.add(place.row, place.lead)
        self._told = len(self._withheld)

    def _withhold(self, place: RankedOffer, excluded: Exclusion) -> None:
        reason = excluded.reason
        as_of = self._rules.stock_as_of(place.lead) if reason == Reason.OUT_OF_STOCK else None
        self._withheld.append(WithheldOffer(place.offer, place.rank, reason, as_of, excluded.rule))

    def _excluded(self, place: RankedOffer, first_filter: int) -> Exclusion | None:
        rules = self._rules
        closed = rules.closed.get(place.offer)
        if closed is not None:
            return closed
        if place.lead in rules.closed_leads:
            return rules.closed[rules.index.rows.ids[place.lead]]
        if first_filter >= 0:
            return rules.filters[first_filter].exclusion
        return self._classes.bars(place.row, place.lead)


def class_of(index: OfferIndex, row: int, lead: int, feature: str) -> str:
    """Return the first value of an offer's feature, else of the item that leads it; "" without."""
    return index.feature_values.first(row, feature) or index.feature_values.first(lead, feature)
