"""The decision: a pure function of profile, catalogue, release, policy, request and time.

The person's ranking is made first, without a look at who asks (tier 0). The channel enters last: it
walks down that ranking and shows or withholds each offer, with a reason, until it has as many as it
asked for. Where tier 0 does not suffice, a second search under the channel's own filter appends
tier 1, scored by the same function and always below. Nothing is ever reordered for a channel.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from models.catalogue import in_stock, stock_age
from models.decision import (
    MINUTE,
    Candidates,
    ContextItem,
    Decision,
    Flag,
    Intent,
    Moment,
    Reason,
    Request,
    Shown,
    Source,
    Withheld,
    context_digest,
    minute_of,
)
from models.eligibility import cooling
from models.events import Event
from models.fixed import Rows
from models.index import OfferIndex
from models.policy import Policy
from models.profile import Profile, view_of
from models.ranking import Ranker, Ranking, tier_one, tier_zero
from models.scorers import Scorer, scorer_for
from models.search import NONE, Allowed, allow

BECAUSE_MOST = 3


def decide(
    profile: Profile, index: OfferIndex, policy: Policy, request: Request, now: int
) -> Decision:
    """Return the slate for one customer at `now` (microseconds), and why it is what it is.

    `now` decides validity and cool-downs exactly and is cut to the minute for everything else.
    Fewer offers than asked come only when no more are eligible.
    """
    minute = minute_of(now)
    view = view_of(profile.compartments.values(), _unsaved(request.context, minute))
    replenish = request.intent == Intent.REPLENISH
    closed = cooling(view, request.context, policy, now, request.intent)
    closed_rows = _rows(index, closed)
    barred = closed_rows[closed_rows < index.item_count]
    eligible = index.eligible(now)
    scorer = scorer_for(index, view, request.intent, minute, policy, eligible, closed_rows)
    ranker = Ranker(index, barred, scorer)
    ranking = tier_zero(ranker, policy, eligible, closed_rows, replenish=replenish)

    out = barred if request.intent == Intent.DISCOVERY else NONE
    walk = _Walk(index, request, closed, frozenset(out.tolist()))
    walk.take(ranking, tier=0)
    if not walk.full and not replenish:
        allowed = _allowed_here(index, request, eligible, ranking)
        walk.take(tier_one(ranker, allowed, walk.missing, walk.leads | walk.out), tier=1)

    unknown = _unknown_ids(index, request)
    return Decision(
        moment=Moment(
            profile_version=profile.version,
            catalogue_revision=index.catalogue.revision,
            release=index.release.id,
            policy=policy.digest,
            minute=minute,
            intent=request.intent,
            context=context_digest(request.context),
        ),
        slate=_slate(walk.shown, index, scorer, replenish=replenish),
        withheld=tuple(walk.withheld[: walk.withheld_above]),
        flags=_flags(scorer, walk, request, unknown),
        unknown_ids=unknown,
        candidates=_candidates(index, np.concatenate(walk.rows)),
        shared=len(ranking),
        label=index.release.manifest.label,
    )


class _Place(NamedTuple):
    """One offer's place in the ranking: its row, the item row that leads it, its score."""

    offer: str
    row: int
    lead: int
    score: int
    rank: int
    tier: int


class _Walk:
    """One channel's way down the ranking: each offer is shown, or withheld with a reason.

    No offer is shown that only an item of `out`, which are closed, can lead.
    """

    def __init__(
        self, index: OfferIndex, request: Request, closed: dict[str, Reason], out: frozenset[int]
    ) -> None:
        self.index = index
        self.request = request
        self.closed = closed
        self.out = out
        self.include = frozenset(request.include)
        self.exclude = frozenset(request.exclude)
        self.rows: list[Rows] = []
        self.shown: list[_Place] = []
        self.withheld: list[Withheld] = []
        self.withheld_above = 0  # how many of `withheld` stand above the last offer shown
        self.leads: set[int] = set()

    @property
    def missing(self) -> int:
        return self.request.count - len(self.shown)

    @property
    def full(self) -> bool:
        return self.missing <= 0

    def take(self, ranking: Ranking, tier: int) -> None:
        """Walk on over `ranking`, which stands below everything before."""
        ids = self.index.ids
        first = sum(map(len, self.rows)) + 1
        self.rows.append(ranking.rows)
        leads, scores = ranking.leads.tolist(), ranking.scores.tolist()
        for at, row in enumerate(ranking.rows.tolist()):
            if self.full:
                break
            offer = ids[row]
            place = _Place(offer, row, leads[at], scores[at], first + at, tier)
            reason = self._reason(place)
            if reason is None:
                self.leads.add(place.lead)
                self.shown.append(place)
                self.withheld_above = len(self.withheld)
            else:
                as_of = self._counted(place.lead) if reason == Reason.OUT_OF_STOCK else None
                self.withheld.append(Withheld(offer, place.rank, reason, as_of))
        if not self.full:
            # Not even the end of the ranking filled the slate: every absence is of interest.
            self.withheld_above = len(self.withheld)

    def _reason(self, place: _Place) -> Reason | None:
        offer = place.offer
        reason = self.closed.get(offer)
        if reason is not None:
            return reason
        if place.lead in self.out:
            return self.closed[self.index.ids[place.lead]]
        if not self.index.shown_on(place.row, self.request.channel):
            return Reason.CHANNEL
        if self.request.place and not self._in_stock(place):
            return Reason.OUT_OF_STOCK
        if offer in self.exclude:
            return Reason.EXCLUDED
        if self.include and offer not in self.include:
            return Reason.NOT_INCLUDED
        if place.lead in self.leads:
            return Reason.DIVERSITY
        return None

    def _in_stock(self, place: _Place) -> bool:
        """Tell whether the lead, and the offer itself, are in stock at the place asked for."""
        catalogue, where = self.index.catalogue, self.request.place
        if not in_stock(catalogue.items[self.index.item_ids[place.lead]].stock, where):
            return False
        offer = catalogue.offers.get(place.offer)
        return offer is None or in_stock(offer.stock, where)

    def _counted(self, lead: int) -> int | None:
        item = self.index.catalogue.items[self.index.item_ids[lead]]
        return stock_age(item.stock, self.request.place) or stock_age(item.stock, "")


def _slate(
    places: list[_Place], index: OfferIndex, scorer: Scorer, *, replenish: bool
) -> tuple[Shown, ...]:
    leads = np.array([place.lead for place in places], np.int64)
    scores = np.array([place.score for place in places], np.int64)
    carried = scorer.because(leads, BECAUSE_MOST)
    sources = [Source.REPLENISH] * len(places) if replenish else scorer.sources(leads).tolist()
    rates = scorer.rates(leads, scores)
    return tuple(
        Shown(
            offer=place.offer,
            item=index.item_ids[place.lead],
            rank=place.rank,
            tier=place.tier,
            score=place.score,
            source=Source(source),
            because=because,
            rate=rate,
        )
        for place, because, source, rate in zip(places, carried, sources, rates, strict=True)
    )


def _candidates(index: OfferIndex, rows: Rows) -> Candidates:
    known = np.full(len(rows), -1, np.int32)
    items = rows < index.item_count
    known[items] = index.release_row[rows[items]]
    return Candidates(
        known.astype("<i4").tobytes(),
        tuple(index.ids[row] for row in rows[known < 0].tolist()),
    )


def _allowed_here(
    index: OfferIndex, request: Request, eligible: Allowed, ranking: Ranking
) -> Allowed:
    """Return which rows beyond `ranking` the request's own filter lets through."""
    allowed = eligible.mask & index.stocked_at(request.place)
    allowed[ranking.rows] = False
    if request.include:
        included = np.zeros_like(allowed)
        included[_rows(index, request.include)] = True
        allowed &= included
    allowed[_rows(index, request.exclude)] = False
    for row in (np.flatnonzero(allowed[index.item_count :]) + index.item_count).tolist():
        if not index.shown_on(row, request.channel):
            allowed[row] = False
    return allow(allowed, index.item_count)


def _rows(index: OfferIndex, offers: Iterable[str]) -> Rows:
    found = {row for offer in offers if (row := index.row_of(offer)) is not None}
    return np.array(sorted(found), np.int64)


def _unsaved(context: tuple[ContextItem, ...], minute: int) -> list[Event]:
    """Return the context items as events of the end of this minute, after everything recorded."""
    return [
        Event(
            event_id=f"context:{entry.in_cart}:{entry.item}",
            identifier=b"",
            type="add_to_cart" if entry.in_cart else "view",
            channel="context",
            time=minute + MINUTE,
            item=entry.item,
        )
        for entry in dict.fromkeys(context)
    ]


def _unknown_ids(index: OfferIndex, request: Request) -> int:
    offers = {*request.include, *request.exclude}
    items = {entry.item for entry in request.context}
    return sum(index.row_of(offer) is None for offer in offers) + sum(
        item not in index.item_row for item in items
    )


def _flags(scorer: Scorer, walk: _Walk, request: Request, unknown: int) -> tuple[Flag, ...]:
    flags = []
    if scorer.cold:
        flags.append(Flag.COLD_START)
    if not walk.shown:
        flags.append(Flag.NONE_ELIGIBLE)
    elif len(walk.shown) < request.count:
        flags.append(Flag.FEWER_THAN_ASKED)
    if unknown:
        flags.append(Flag.UNKNOWN_IDS)
    return tuple(flags)
