"""The decision: a pure function of profile, catalogue, release, policy, request and time.

The person's ranking is made first, without a look at who asks (tier 0). The channel enters last: it
walks down that ranking and shows or withholds each offer, with a reason, until it has as many as it
asked for. Where tier 0 does not suffice, a second search under the channel's own filter appends
tier 1, scored by the same function and always below. Nothing is ever reordered for a channel.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from models.clock_time import MINUTE
from models.decision.exploration import Exploring
from models.decision.filters import Barrier, everywhere, held_out, here, intent_of, rows_of
from models.decision.recorded import Given, candidates_of
from models.decision.slate import Place, Walk
from models.domain.decisions import (
    ContextItem,
    Decision,
    Flag,
    Intent,
    Moment,
    Parts,
    Request,
    Shown,
    Source,
    context_digest,
    minute_of,
)
from models.domain.events import Event
from models.domain.profile import Profile
from models.domain.view import view_of
from models.numeric.array_types import NO_ROWS, Fixed, Rows
from models.numeric.draws import explored, gumbels
from models.policy.caps import Contacts
from models.policy.conditions import Situation
from models.policy.schema import Policy
from models.policy.windows import zone_of
from models.ranking.expected_value import counts_value, worths
from models.ranking.offer_index import OfferIndex
from models.ranking.ranking import Ranker, Ranking, Weighing, tier_one, tier_zero
from models.ranking.scorers import scorer_for
from models.ranking.two_stage_scorer import Named
from models.recommender.vector_search import Allowed, allow

BECAUSE_MOST = 3


@dataclass(frozen=True)
class World:
    """What of a decision changes without the customer.

    `exhausted` are offers that are used up: nobody gets one who has not had one.
    `lifts` are what a question of what-if adds to the scores of offers, in units of 2^-20.
    """

    index: OfferIndex
    policy: Policy
    exhausted: frozenset[str] = frozenset()
    lifts: Mapping[str, int] = field(default_factory=dict)


def decide(
    profile: Profile,
    world: World,
    request: Request,
    now: int,
    given: Given | None = None,
    *,
    blind: bool = False,
) -> Decision:
    """Return the slate for one customer at `now` (microseconds), and why it is what it is.

    `now` decides validity, cool-downs and caps exactly and is cut to the minute for everything
    else. Fewer offers than asked come only when no more are eligible. With `given`, nothing is
    searched for: the candidates are those of a decision before. `blind`: the store did not answer,
    so nothing is known of the customer, and no hard cap lets anything through.
    """
    return Deciding(profile, world, request, now, given, blind=blind).decision()


class Deciding:
    """One decision under way; its parts are what an explanation looks at."""

    def __init__(
        self,
        profile: Profile,
        world: World,
        request: Request,
        now: int,
        given: Given | None = None,
        *,
        blind: bool = False,
    ) -> None:
        index, policy = world.index, world.policy
        self.profile, self.world, self.request, self.now = profile, world, request, now
        self.given, self.blind = given, blind
        self.minute = minute = minute_of(now)
        self.like = like = intent_of(policy, request.intent)
        self.view = view = view_of(profile.compartments.values(), _unsaved(request.context, minute))
        zone = zone_of(view, policy.contact)
        self.situation = Situation(view, request.place, minute, zone)
        self.contacts = Contacts(
            view, policy, now, like, request.context, index.catalogue, known=not blind
        )
        self.closed = self.contacts.closed()
        self.closed_rows = rows_of(index, self.closed)
        self.shared = everywhere(index, policy, self.situation, self.contacts, request.intent)
        self.eligible = _without(index, index.eligible(now), self.shared)
        self.barriers = here(
            index,
            policy,
            self.situation,
            request,
            self.contacts,
            world.exhausted - view.granted(),
            profile.customer,
        )
        self.scorer = scorer_for(
            index,
            view,
            like,
            minute,
            policy.candidates.items,
            self.eligible,
            self.closed_rows,
            self._named(),
        )
        self.barred = self.closed_rows[self.closed_rows < index.item_count]
        self.ranker = Ranker(index, self.barred, self.scorer, self._weighing())
        out = self.barred if like == Intent.DISCOVERY else NO_ROWS
        self.walk = Walk(
            index,
            request,
            self.closed,
            frozenset(out.tolist()),
            self.barriers,
            policy.diversity,
        )
        replenish = like == Intent.REPLENISH
        if given is None:
            tier = tier_zero(
                self.ranker, policy, self.eligible, self.closed_rows, replenish=replenish
            )
        else:
            tier = self.ranker.rank(given.shared)
        self.walk.take(tier, tier=0)
        if not self.walk.full and not replenish:
            self._append(tier)

    def decision(self) -> Decision:
        """Return the answer."""
        index, policy, request = self.world.index, self.world.policy, self.request
        unknown = _unknown_ids(index, request) if self.given is None else self.given.unknown_ids
        rankings = self.walk.rankings
        sources = [self._sources(ranking.leads) for ranking in rankings]
        exploring = None
        if policy.exploration.temperature > 0:
            exploring = Exploring(index, policy, self.walk, self.given)
        return Decision(
            moment=Moment(
                profile_version=self.profile.version,
                catalogue_revision=index.catalogue.revision,
                release=index.release.id,
                policy=policy.digest,
                minute=self.minute,
                intent=request.intent,
                context=context_digest(request.context),
            ),
            slate=self._slate(sources, exploring),
            withheld=tuple(self.walk.withheld[: self.walk.withheld_above]),
            flags=self._flags(unknown),
            unknown_ids=unknown,
            candidates=candidates_of(
                index,
                rankings,
                sources,
                None if exploring is None else exploring.open,
                None if exploring is None else exploring.classes,
            ),
            shared=len(rankings[0]),
            label=index.release.manifest.label,
            contacted=self.contacts.looked_up(),
        )

    def reservations(self) -> tuple[str, ...]:
        """Return what the answer has to reserve: "" for the message as a whole, ids of offers."""
        catalogue = self.world.index.catalogue
        rows = (catalogue.row(place.offer) for place in self.walk.shown)
        shown = [row for row in rows if row is not None]
        return self.contacts.reservations(shown, self.request.channel)

    def _weighing(self) -> Weighing:
        index, policy = self.world.index, self.world.policy
        label = index.release.manifest.label
        given = self.given

        def worth(rows: Rows) -> Fixed:
            if given is not None:
                return given.worths[rows]
            found = worths(index, policy, label, self.request.intent, self.minute, rows)
            for offer, lift in self.world.lifts.items():
                found[rows == index.row_of(offer)] += lift
            return found

        def noise(rows: Rows) -> Fixed:
            exploration = policy.exploration
            if not exploration.temperature:
                return np.zeros(len(rows), np.int64)
            bucket = self.minute // (exploration.minutes * MINUTE)
            offers = [index.ids[row] for row in rows.tolist()]
            draws = gumbels(self.profile.customer, offers, policy.digest, bucket)
            return explored(np.zeros(len(rows), np.int64), draws, exploration.temperature)

        return Weighing(by_value=counts_value(policy, label), worths=worth, noises=noise)

    def _append(self, shared: Ranking) -> None:
        """Append tier 1: search deeper until the slate is full, or everything has been seen."""
        walk = self.walk
        if self.given is not None:
            walk.take(self.ranker.rank(self.given.appended), tier=1)
            return
        allowed = self._allowed_here(shared)
        total = int(np.count_nonzero(allowed.mask))
        shown, withheld = len(walk.shown), len(walk.withheld)
        most = 2 * walk.missing + 32
        while True:
            walk.take(tier_one(self.ranker, allowed, most), tier=1)
            if walk.full or len(walk.rankings[-1]) >= total:
                return
            walk.undo(shown, withheld)
            most *= 4

    def _allowed_here(self, shared: Ranking) -> Allowed:
        """Return which rows beyond the shared ranking the channel's own filter lets through."""
        index = self.world.index
        mask = self.eligible.mask.copy()
        mask[shared.rows] = False
        for barrier in self.barriers:
            mask &= ~barrier.rows
        return allow(mask, index.item_count)

    def _slate(self, sources: list[Rows], exploring: Exploring | None) -> tuple[Shown, ...]:
        index, scorer, places = self.world.index, self.scorer, self.walk.shown
        rankings = self.walk.rankings
        leads = np.array([place.lead for place in places], np.int64)
        judged = np.array([rankings[place.tier].judged[place.at] for place in places], np.int64)
        carried = scorer.because(leads, BECAUSE_MOST)
        rates = scorer.rates(leads, judged)
        chances = [1.0] * len(places)
        if exploring is not None:
            chances = exploring.propensities(self.request.count)
        return tuple(
            Shown(
                offer=place.offer,
                item=index.item_ids[place.lead],
                rank=place.rank,
                tier=place.tier,
                score=sum(parts),
                source=Source(int(sources[place.tier][place.at])),
                because=because,
                propensity=chance,
                rate=rate,
                parts=Parts(*parts),
            )
            for place, because, rate, chance, parts in zip(
                places, carried, rates, chances, map(self._parts, places), strict=True
            )
        )

    def _parts(self, place: Place) -> tuple[int, int, int]:
        ranking, at = self.walk.rankings[place.tier], place.at
        return int(ranking.bases[at]), int(ranking.worths[at]), int(ranking.noises[at])

    def _sources(self, items: Rows) -> Rows:
        if self.like == Intent.REPLENISH:
            return np.full(len(items), Source.REPLENISH, np.int64)
        return self.scorer.sources(items)

    def _named(self) -> Named | None:
        """Return the candidates that are given, as the scorer takes them."""
        if self.given is None:
            return None
        closed = NO_ROWS if self.like == Intent.REPLENISH else self.closed_rows
        return self.given.first(closed, self.world.index.item_count)

    def _flags(self, unknown: int) -> tuple[Flag, ...]:
        flags = [Flag.STATE_UNAVAILABLE] if self.blind else []
        if self.scorer.cold:
            flags.append(Flag.COLD_START)
        if not self.walk.shown:
            flags.append(Flag.NONE_ELIGIBLE)
        elif not self.walk.full:
            flags.append(Flag.FEWER_THAN_ASKED)
        if unknown:
            flags.append(Flag.UNKNOWN_IDS)
        if held_out(self.world.policy, self.profile.customer):
            flags.append(Flag.HELD_OUT)
        return tuple(flags)


def _without(index: OfferIndex, eligible: Allowed, barriers: list[Barrier]) -> Allowed:
    if not barriers:
        return eligible
    mask = eligible.mask.copy()
    for barrier in barriers:
        mask &= ~barrier.rows
    return allow(mask, index.item_count)


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
