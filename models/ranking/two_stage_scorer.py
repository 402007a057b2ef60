"""The second stage over a catalogue: each item with one score, whoever asks.

Item features are of the release's items, offers of the catalogue's; arrays of the index lead from
the one to the other.

The trees know nothing of an item that the release does not know. Stage one does, from its features.
So it stands as high as stage one puts it among this customer's candidates that both know: between
the k-th and the next by embedding, it scores between the k-th and the next by trees; never above
the best, and below all where it is farther than all.
"""

from functools import cached_property

import numpy as np

from models.domain.decisions import Because, Source
from models.domain.entry import Entry
from models.domain.event_types import INTERACTION_LANES
from models.domain.view import View
from models.numeric.array_types import NO_ROWS, Fixed, Mask, Rows
from models.numeric.compiled import compiled
from models.numeric.draws import log_fixed
from models.numeric.fixed import ONE, dot
from models.ranking.candidate_scope import CandidateScope
from models.ranking.offer_index import OfferIndex
from models.ranking.two_stage_candidates import find_candidates
from models.recommender.item_history import ItemHistory
from models.recommender.neighbours import attribute_to_history
from models.recommender.ranker import CandidateScorer, Ensemble
from models.recommender.segments import segments_of
from models.recommender.sources import SOURCES
from models.recommender.user_vector import LazyPlacement, PlacedCustomer, strongest_features
from models.recommender.vector_search import Allowed

RATE_PLACES = 40  # a rate of 2^-40 and less is as good as none


def _led_by(what: str) -> Mask:
    """Return, by `Source`, whether items of it are put down to `what`."""
    found = np.zeros(max(Source) + 1, np.bool_)
    found[[source.public for source in SOURCES if source.led_by == what]] = True
    return found


_BY_TABLES, _BY_NOTHING = _led_by("tables"), _led_by("nothing")
_BY_TABLES[Source.REPLENISH] = True  # no source of candidates: an item bought before


class TwoStageScorer:
    """Ranks items of an index for one customer by the trees of one intent."""

    cold = False

    def __init__(
        self,
        index: OfferIndex,
        view: View,
        placement: LazyPlacement,
        ensemble: Ensemble,
        history: ItemHistory,
        scope: CandidateScope,
    ) -> None:
        """Find the candidates of `scope`, and score each item against them."""
        stage = index.release.second_stage
        assert stage is not None, "who has a history by item is ranked by both stages"
        self._index = index
        self._view = view
        self._placement = placement
        self._ensemble = ensemble
        self._tables, self._history = stage.retrieval.tables, history
        found = find_candidates(index, stage, ensemble, history, placement, scope)
        self.candidates, self._sources = found.items, found.sources
        both = index.release_items.row_of_item[self.candidates]
        self._known_to_both = self.candidates[both >= 0]
        segments = segments_of(view)
        self._scorer = CandidateScorer(
            stage, ensemble, history, segments, found.neighbours, both[both >= 0]
        )

    @property
    def vector(self) -> Fixed:
        """Return where stage one places the customer."""
        return self._placement.customer.vector

    def more_candidates(self, limit: int, allowed: Allowed) -> Rows:
        """Return the nearest of `allowed` by the history embedding."""
        return self._index.vectors.search.nearest(self.vector, limit, allowed, NO_ROWS)

    def scores(self, items: Rows) -> Fixed:
        """Return the score of each item: by the trees, or where a new one stands among them."""
        rows = self._index.release_items.row_of_item[items]
        known = rows >= 0
        if known.all():
            return self._scorer.scores(rows)
        scores = np.empty(len(items), np.int64)
        scores[known] = self._scorer.scores(rows[known])
        scores[~known] = _between(self._near(items[~known]), *self._anchors)
        return scores

    @cached_property
    def _anchors(self) -> tuple[Fixed, Fixed]:
        """Return the scores of the candidates that both stages know, by each, ascending."""
        ranked = self._scorer.scores(self._index.release_items.row_of_item[self._known_to_both])
        return np.sort(self._near(self._known_to_both)), np.sort(ranked)

    def sources(self, items: Rows) -> Rows:
        """Return the `Source` that each item came through, the first of those that proposed it."""
        if not len(self.candidates):
            return np.full(len(items), Source.HISTORY, np.int64)
        at = np.minimum(self.candidates.searchsorted(items), len(self.candidates) - 1)
        return np.where(self.candidates[at] == items, self._sources[at], np.int64(Source.HISTORY))

    def rates(self, items: Rows, scores: Fixed) -> list[float | None]:
        """Return what each score is worth; nothing is known of what the trees do not know."""
        rates = self._ensemble.calibration.rate(scores / ONE).tolist()
        known = (self._index.release_items.row_of_item[items] >= 0).tolist()
        return [rate if k else None for rate, k in zip(rates, known, strict=True)]

    def log_rates(self, scores: Fixed) -> Fixed:
        """Return the logarithm of the rate of each score, in units of 2^-20."""
        rates = np.rint(self._ensemble.calibration.rate(scores / ONE) * 2.0**RATE_PLACES)
        return log_fixed(np.maximum(rates, 1).astype(np.int64), RATE_PLACES)

    def attribution(self, items: Rows, limit: int) -> list[tuple[Because, ...]]:
        """Return the latest event with each item itself, then those that led to it by the tables.

        What is near the history, and what is new, is put down to the columns of stage one; what is
        popular, to nothing the customer did.
        """
        kinds = self.sources(items)
        rows = self._index.release_items.row_of_item[items]
        by_table = _BY_TABLES[kinds] & (rows >= 0)
        said: list[tuple[Because, ...]] = [()] * len(items)
        near = np.flatnonzero(~(by_table | _BY_NOTHING[kinds]))
        if len(near):
            found = history_attribution(self._index, self._placement.customer, items[near], limit)
            for place, columns in zip(near.tolist(), found, strict=True):
                said[place] = columns
        latest, names = _latest(self._view), self._index.release.items
        at = np.flatnonzero(by_table)
        led = attribute_to_history(self._tables, self._history, rows[at], limit).tolist()
        for place, row, places in zip(at.tolist(), rows[at].tolist(), led, strict=True):
            items_ = [names[row], *(names[self._history.rows[one]] for one in places if one >= 0)]
            chosen = [item for item in dict.fromkeys(items_) if item in latest][:limit]
            said[place] = tuple(Because(latest[item], item) for item in chosen)
        return said

    def _near(self, items: Rows) -> Fixed:
        return dot(self._index.vectors.fixed, items, self.vector) + self._placement.customer.bias


def history_attribution(
    index: OfferIndex, customer: PlacedCustomer, items: Rows, limit: int
) -> list[tuple[Because, ...]]:
    """Return, for each item, the events whose columns speak most for it by the embedding."""
    found = strongest_features(customer, index.vectors.fixed, items, index.release, limit)
    return [tuple(Because(column.type, column.item) for column in columns) for columns in found]


def _latest(view: View) -> dict[str, str]:
    """Return the type of the latest event with each item."""
    latest: dict[str, Entry] = {}
    for lane in INTERACTION_LANES:
        for entry in view.lanes.get(lane, ()):
            if entry.item and (entry.item not in latest or latest[entry.item] < entry):
                latest[entry.item] = entry
    return {item: entry.type for item, entry in latest.items()}


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
