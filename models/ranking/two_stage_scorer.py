"""The second stage over a catalogue: candidates of all sources, each with one score.

Tables and facts are of the release's items, offers of the catalogue's; arrays of the index lead
from the one to the other. Where the sources propose few, the nearest by the history embedding fill
up, and a few places are kept for items that the release does not know.

The trees know nothing of such a new item. Stage one does, from its features. So it stands as high
as stage one puts it among this customer's candidates that both know: between the k-th and the next
by embedding, it scores between the k-th and the next by trees; never above the best, and below all
where it is farther than all.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.domain.decisions import Because, Source
from models.domain.events import LANES
from models.domain.profile import Entry
from models.domain.view import View
from models.numeric.array_types import NO_ROWS, Fixed, Rows
from models.numeric.compiled import compiled
from models.numeric.draws import log_fixed
from models.numeric.fixed import ONE, best, dot
from models.ranking.offer_index import OfferIndex
from models.recommender.candidates import OWN, POPULAR, source_names
from models.recommender.item_history import Past
from models.recommender.neighbours import carriers, reach
from models.recommender.ranker import Ensemble, Judge, SecondStage
from models.recommender.retrieval import propose
from models.recommender.segments import segments_of
from models.recommender.user_vector import Customer, Placing, carried_by
from models.recommender.vector_search import Allowed

RATE_PLACES = 40  # a rate of 2^-40 and less is as good as none
# Below this share of the candidates wanted, a search fills up: it costs as much as all the rest.
FEW = 0.5
# By `Source`: whether what the customer did led to such items one by one.
_BY_TABLES = np.zeros(max(Source) + 1, np.bool_)
_BY_TABLES[[Source.OWN, Source.RELATED, Source.REPLENISH]] = True


class Named(NamedTuple):
    """Candidates that somebody names: item rows of an index, and the `Source` of each."""

    items: Rows
    sources: Rows


class Staged:
    """Ranks items of an index for one customer by the trees of one intent."""

    cold = False

    def __init__(
        self,
        index: OfferIndex,
        view: View,
        placing: Placing,
        stage: SecondStage,
        ensemble: Ensemble,
        past: Past,
        most: int,
        eligible: Allowed,
        closed: Rows,
        given: Named | None = None,
    ) -> None:
        """Find the first candidates, about `most` where so many are eligible.

        `closed` rows are ascending. Where candidates are `given` nothing else is one.
        """
        self._index = index
        self._view = view
        self._placing = placing
        self._ensemble = ensemble
        if given is None:
            allowed = index.known(eligible).copy()
            barred = index.release_row[closed[closed < index.item_count]]
            allowed[barred[barred >= 0]] = False
            proposed = propose(stage.retrieval, past, ensemble.quotas, allowed)
            reached = proposed.reached
            known, bits = proposed.candidates
            rows = index.item_row_of[known]
            kinds = _kinds(bits, source_names(stage.retrieval.tables.names))
            rows, kinds = self._filled(rows, kinds, past, most, eligible, closed)
        else:
            reached = reach(stage.retrieval.tables, past)
            rows, kinds = given
        order = np.argsort(rows)
        self.first, self._kinds = rows[order], kinds[order]
        both = index.release_row[self.first]
        self._both = self.first[both >= 0]
        self._tables, self._past = stage.retrieval.tables, past
        segments = segments_of(view)
        self._judge = Judge(stage, ensemble, past, segments, reached, both[both >= 0])

    @property
    def vector(self) -> Fixed:
        """Return where stage one places the customer."""
        return self._placing.customer.vector

    def more(self, most: int, allowed: Allowed) -> Rows:
        """Return the nearest of `allowed` by the history embedding."""
        return self._index.search.nearest(self.vector, most, allowed, NO_ROWS)

    def scores(self, items: Rows) -> Fixed:
        """Return the score of each item: by the trees, or where a new one stands among them."""
        rows = self._index.release_row[items]
        known = rows >= 0
        if known.all():
            return self._judge.scores(rows)
        scores = np.empty(len(items), np.int64)
        scores[known] = self._judge.scores(rows[known])
        scores[~known] = _between(self._near(items[~known]), *self._known_to_both)
        return scores

    @cached_property
    def _known_to_both(self) -> tuple[Fixed, Fixed]:
        """Return the scores of the candidates that both stages know, by each, ascending."""
        ranked = self._judge.scores(self._index.release_row[self._both])
        return np.sort(self._near(self._both)), np.sort(ranked)

    def sources(self, items: Rows) -> Rows:
        """Return the `Source` that each item came through, the first of those that proposed it."""
        if not len(self.first):
            return np.full(len(items), Source.HISTORY, np.int64)
        at = np.minimum(self.first.searchsorted(items), len(self.first) - 1)
        return np.where(self.first[at] == items, self._kinds[at], np.int64(Source.HISTORY))

    def rates(self, items: Rows, scores: Fixed) -> list[float | None]:
        """Return what each score is worth; nothing is known of what the trees do not know."""
        rates = self._ensemble.calibration.rate(scores / ONE).tolist()
        known = (self._index.release_row[items] >= 0).tolist()
        return [rate if k else None for rate, k in zip(rates, known, strict=True)]

    def log_rates(self, scores: Fixed) -> Fixed:
        """Return the logarithm of the rate of each score, in units of 2^-20."""
        rates = np.rint(self._ensemble.calibration.rate(scores / ONE) * 2.0**RATE_PLACES)
        return log_fixed(np.maximum(rates, 1).astype(np.int64), RATE_PLACES)

    def because(self, items: Rows, most: int) -> list[tuple[Because, ...]]:
        """Return the latest act on each item itself, then those that led to it by the tables.

        What is near the history, and what is new, is carried by the columns of stage one; what is
        popular, by nothing the customer did.
        """
        kinds = self.sources(items)
        rows = self._index.release_row[items]
        by_table = _BY_TABLES[kinds] & (rows >= 0)
        said: list[tuple[Because, ...]] = [()] * len(items)
        near = np.flatnonzero(~by_table & (kinds != Source.POPULAR))
        if len(near):
            found = near_acts(self._index, self._placing.customer, items[near], most)
            for place, acts in zip(near.tolist(), found, strict=True):
                said[place] = acts
        latest, names = _latest(self._view), self._index.release.items
        at = np.flatnonzero(by_table)
        led = carriers(self._tables, self._past, rows[at], most).tolist()
        for place, row, places in zip(at.tolist(), rows[at].tolist(), led, strict=True):
            items_ = [names[row], *(names[self._past.rows[one]] for one in places if one >= 0)]
            chosen = [item for item in dict.fromkeys(items_) if item in latest][:most]
            said[place] = tuple(Because(latest[item], item) for item in chosen)
        return said

    def _near(self, items: Rows) -> Fixed:
        return dot(self._index.fixed, items, self.vector) + self._placing.customer.bias

    def _filled(
        self, rows: Rows, kinds: Rows, past: Past, most: int, eligible: Allowed, closed: Rows
    ) -> tuple[Rows, Rows]:
        """Return the candidates with new items, and with the nearest where there are too few."""
        index, quotas = self._index, self._ensemble.quotas
        if quotas.new and index.new_items is not None:
            open_ = eligible.mask[index.new_rows] & ~np.isin(index.new_rows, closed)
            new = index.new_rows[open_]
            fits = index.new_items.scores(*_turned_to(index, past))[open_]
            new = new[best(np.rint(fits * ONE).astype(np.int64), index.ranks[new], quotas.new)]
            rows = np.concatenate([rows, new])
            kinds = np.concatenate([kinds, np.full(len(new), Source.NEW, np.int64)])
        wanted = max(quotas.embedding, most - len(rows) if len(rows) < FEW * most else 0)
        if wanted:
            taken = np.union1d(rows, closed)
            near = index.search.nearest(self.vector, wanted, eligible, taken)
            rows = np.concatenate([rows, near])
            kinds = np.concatenate([kinds, np.full(len(near), Source.HISTORY, np.int64)])
        return rows, kinds


def _turned_to(index: OfferIndex, past: Past) -> tuple[Rows, NDArray[np.float64]]:
    """Return the item rows (m,) that a customer touched, and how often each (m,)."""
    rows = index.item_row_of[past.rows]
    return rows[rows >= 0], past.touches[rows >= 0]


def near_acts(
    index: OfferIndex, customer: Customer, items: Rows, most: int
) -> list[tuple[Because, ...]]:
    """Return, for each item, the acts whose columns speak most for it by the embedding."""
    found = carried_by(customer, index.fixed, items, index.release, most)
    return [tuple(Because(column.type, column.item) for column in columns) for columns in found]


def _latest(view: View) -> dict[str, str]:
    """Return the type of the latest act on each item."""
    latest: dict[str, Entry] = {}
    for lane in LANES:
        for entry in view.lanes.get(lane, ()):
            if entry.item and (entry.item not in latest or latest[entry.item] < entry):
                latest[entry.item] = entry
    return {item: entry.type for item, entry in latest.items()}


def _kinds(bits: NDArray[np.int64], names: tuple[str, ...]) -> Rows:
    """Return one source for each mask: own items, then the tables, then what is popular."""
    own, popular = (np.int64(1 << names.index(name)) for name in (OWN, POPULAR))
    kinds = np.full(len(bits), Source.RELATED, np.int64)
    kinds[bits == popular] = Source.POPULAR
    kinds[(bits & own) > 0] = Source.OWN
    return kinds


@compiled("int64[::1](int64[::1], int64[::1], int64[::1])")
def _between(near: Fixed, nears: Fixed, ranked: Fixed) -> Fixed:
    """Map scores of stage one to the second stage, by both of the same candidates, ascending."""
    if nears.size == 0:
        return near
    found = np.empty(near.size, np.int64)
    last = nears.size - 1
    for i in range(near.size):
        at = np.searchsorted(nears, near[i], side="right") - 1
        if at < 0:
            found[i] = ranked[0] - 1
        elif at == last:
            found[i] = ranked[last]
        else:
            share = (near[i] - nears[at]) / (nears[at + 1] - nears[at])
            found[i] = ranked[at] + np.int64(share * (ranked[at + 1] - ranked[at]))
    return found
