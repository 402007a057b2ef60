"""The decision: a pure function of profile, catalogue, release, policy, request and time.

The person's ranking is made first, without a look at who asks (tier 0). The channel enters last: it
walks down that ranking and shows or withholds each offer, with a reason, until it has as many as it
asked for. Where tier 0 does not suffice, a second search under the channel's own filter appends
tier 1, scored by the same function and always below. Nothing is ever reordered for a channel.
"""

from collections.abc import Iterable

import numpy as np

from models.catalogue import in_stock, stock_age
from models.decision import (
    MINUTE,
    Because,
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
from models.embeddings import Customer, carried_by, place_customer
from models.events import Event
from models.index import Mask, OfferIndex, Rows
from models.policy import Policy
from models.profile import Profile, view_of
from models.ranking import Candidate, Ranker, barred_items, tier_one, tier_zero

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
    customer = place_customer(view, index.release, minute)
    replenish = request.intent == Intent.REPLENISH
    closed = cooling(view, request.context, policy, now, replenish=replenish)
    source = _source(customer, replenish)
    ranker = Ranker(index, customer, barred_items(index, set(closed)), source)
    eligible = index.eligible(now)
    ranking = tier_zero(ranker, view, policy, eligible, _rows(index, closed), replenish=replenish)

    walk = _Walk(index, request, closed, customer)
    walk.take(ranking, tier=0)
    if not walk.full and not replenish:
        allowed = _allowed_here(index, request, eligible, ranking)
        walk.take(tier_one(ranker, allowed, walk.missing, walk.leads), tier=1)

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
        slate=tuple(walk.shown),
        withheld=tuple(walk.withheld[: walk.withheld_above]),
        flags=_flags(customer, walk, request, unknown),
        unknown_ids=unknown,
        candidates=tuple((candidate.offer, candidate.score) for candidate in walk.ranking),
        shared=len(ranking),
    )


class _Walk:
    """One channel's way down the ranking: each offer is shown, or withheld with a reason."""

    def __init__(
        self,
        index: OfferIndex,
        request: Request,
        closed: dict[str, Reason],
        customer: Customer,
    ) -> None:
        self.index = index
        self.request = request
        self.closed = closed
        self.customer = customer
        self.include = frozenset(request.include)
        self.exclude = frozenset(request.exclude)
        self.ranking: list[Candidate] = []
        self.shown: list[Shown] = []
        self.withheld: list[Withheld] = []
        self.withheld_above = 0  # how many of `withheld` stand above the last offer shown
        self.leads: set[int] = set()

    @property
    def missing(self) -> int:
        return self.request.count - len(self.shown)

    @property
    def full(self) -> bool:
        return self.missing <= 0

    def take(self, candidates: list[Candidate], tier: int) -> None:
        """Walk on over `candidates`, which stand below everything before."""
        start = len(self.ranking)
        self.ranking.extend(candidates)
        for rank, candidate in enumerate(candidates, start + 1):
            if self.full:
                break
            reason = self._reason(candidate)
            if reason is None:
                self.leads.add(candidate.lead)
                self.shown.append(self._show(candidate, rank, tier))
                self.withheld_above = len(self.withheld)
            else:
                as_of = self._counted(candidate) if reason == Reason.OUT_OF_STOCK else None
                self.withheld.append(Withheld(candidate.offer, rank, reason, as_of))
        if not self.full:
            # Not even the end of the ranking filled the slate: every absence is of interest.
            self.withheld_above = len(self.withheld)

    def _reason(self, candidate: Candidate) -> Reason | None:
        reason = self.closed.get(candidate.offer)
        if reason is not None:
            return reason
        if not self.index.shown_on(candidate.row, self.request.channel):
            return Reason.CHANNEL
        if not self._in_stock(candidate):
            return Reason.OUT_OF_STOCK
        if candidate.offer in self.exclude:
            return Reason.EXCLUDED
        if self.include and candidate.offer not in self.include:
            return Reason.NOT_INCLUDED
        if candidate.lead in self.leads:
            return Reason.DIVERSITY
        return None

    def _in_stock(self, candidate: Candidate) -> bool:
        """Tell whether the lead, and the offer itself, are in stock at the place asked for."""
        place = self.request.place
        if not place:
            return True
        catalogue = self.index.catalogue
        if not in_stock(catalogue.items[self.index.item_ids[candidate.lead]].stock, place):
            return False
        offer = catalogue.offers.get(candidate.offer)
        return offer is None or in_stock(offer.stock, place)

    def _counted(self, candidate: Candidate) -> int | None:
        item = self.index.catalogue.items[self.index.item_ids[candidate.lead]]
        return stock_age(item.stock, self.request.place) or stock_age(item.stock, "")

    def _show(self, candidate: Candidate, rank: int, tier: int) -> Shown:
        vector = self.index.fixed[candidate.lead].astype(np.int64)
        because = carried_by(self.customer, vector, self.index.release, BECAUSE_MOST)
        return Shown(
            offer=candidate.offer,
            item=self.index.item_ids[candidate.lead],
            rank=rank,
            tier=tier,
            score=candidate.score,
            source=candidate.source,
            because=tuple(Because(column.type, column.item) for column in because),
        )


def _allowed_here(
    index: OfferIndex, request: Request, eligible: Mask, ranking: list[Candidate]
) -> Mask:
    """Return which rows beyond `ranking` the request's own filter lets through."""
    allowed = eligible & index.stocked_at(request.place)
    allowed[[candidate.row for candidate in ranking]] = False
    if request.include:
        included = np.zeros_like(allowed)
        included[_rows(index, request.include)] = True
        allowed &= included
    allowed[_rows(index, request.exclude)] = False
    for row in (np.flatnonzero(allowed[index.item_count :]) + index.item_count).tolist():
        if not index.shown_on(row, request.channel):
            allowed[row] = False
    return allowed


def _rows(index: OfferIndex, offers: Iterable[str]) -> Rows:
    found = {row for offer in offers if (row := index.row_of(offer)) is not None}
    return np.array(sorted(found), np.int64)


def _source(customer: Customer, replenish: bool) -> Source:
    if replenish:
        return Source.REPLENISH
    return Source.POPULAR if customer.cold else Source.HISTORY


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


def _flags(customer: Customer, walk: _Walk, request: Request, unknown: int) -> tuple[Flag, ...]:
    flags = []
    if customer.cold:
        flags.append(Flag.COLD_START)
    if not walk.shown:
        flags.append(Flag.NONE_ELIGIBLE)
    elif len(walk.shown) < request.count:
        flags.append(Flag.FEWER_THAN_ASKED)
    if unknown:
        flags.append(Flag.UNKNOWN_IDS)
    return tuple(flags)
