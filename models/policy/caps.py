"""The contact policy: what it withholds from a customer at one moment, and what has to be reserved.

A contact counts in a window as long as it is not over: a rolling window of some days holds a
contact from its moment on and has lost it exactly that long after; a calendar window has lost it
when the next one starts in the customer's zone. A reservation that is neither confirmed nor lapsed
may be delivered at any moment, so it counts in every window. So a hard cap is never exceeded by
messages that are delivered, and told, before their reservations lapse.

A profile keeps contacts for as long as any cap may look back, but not without bound
(`models.domain.facts`). Where contacts that count may be missing, nobody knows whether a cap is
reached: on an outbound channel it is taken as reached, for a message not sent harms nobody.
Elsewhere, where nothing to show does, it counts what is known. Either way the answer is flagged.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from zoneinfo import ZoneInfo

from models.domain.catalogue import Catalogue, Offer, Row, offer_id
from models.domain.decisions import ContextItem
from models.domain.event_types import CONTACT, RESERVED, SENT
from models.domain.exclusions import Exclusion, SelectorExclusion
from models.domain.reasons import Reason
from models.domain.rule_history import Gap
from models.domain.selectors import Selector, selects
from models.domain.view import View
from models.policy.cap_terms import gap_ends, gaps_of, length_of, over_at
from models.policy.contact_log import (
    ContactLog,
    LoggedContact,
    contact_log_of,
    line_of,
    offer_of,
    reservation_length,
)
from models.policy.cool_downs import (
    category_selector,
    category_values,
    closed_categories,
    closed_offers,
    forgotten,
)
from models.policy.schema import Cap, Policy
from models.policy.windows import Calendar, quiet_at, quiet_until, window_of, zone_of

MARKETING = Selector(classes=("marketing",))
NOT_TRANSACTIONAL = Selector(classes=("marketing", "service"))


class ContactRules:
    """What the contact policy says of one customer at `now` (microseconds); made once a decision.

    `base_intent` is the built-in intent that the one asked for behaves like. Where the customer is
    not `known`, as the store does not answer, every hard cap counts as reached. Nothing is counted
    before it is asked for, and nothing at all where the policy has no caps.
    """

    def __init__(
        self,
        view: View,
        policy: Policy,
        now: int,
        base_intent: str,
        context: tuple[ContextItem, ...],
        catalogue: Catalogue,
        *,
        known: bool = True,
    ) -> None:
        self._view = view
        self._policy = policy.contact
        self._now = now
        self._base_intent = base_intent
        self._context = context
        self._catalogue = catalogue
        self._known = known
        self._suspended: dict[str, list[SelectorExclusion]] = {}
        self._capped: dict[str, list[tuple[Cap, SelectorExclusion]]] = {}
        self._windows: dict[Calendar, int] = {}
        self._groups: dict[tuple[str, str], bool] = {}
        self._bounded = False

    @property
    def bounded(self) -> bool:
        """Whether a rule that was asked would have needed more than a profile keeps."""
        return self._bounded

    def closed(self) -> dict[str, Exclusion]:
        """Return the offers that are not to be shown on any channel, by id, each with why."""
        cool_downs = self._policy.cool_downs
        return closed_offers(self._view, cool_downs, self._now, self._base_intent, self._context)

    def closed_categories(self) -> list[SelectorExclusion]:
        """Return which further offers are closed on any channel: those of a category bought."""
        if not self._categories:
            return []
        about = category_selector(self._policy.cool_downs, self._categories)
        return [SelectorExclusion(Exclusion(Reason.PURCHASED, "category"), about)]

    def category_free_at(self, offer: Row) -> int | None:
        """Return when no category that an offer is in is closed any more; None: none is closed."""
        values = category_values(self._policy.cool_downs, offer)
        return max((self._categories[at] for at in values & self._categories.keys()), default=None)

    def suspended(self, channel: str) -> list[SelectorExclusion]:
        """Return why no offer of some selectors is shown on `channel`: an open case, quiet hours.

        The rule of an open case is its attribute.
        """
        known = self._suspended.get(channel)
        if known is not None:
            return known
        found = self._suspended[channel] = []
        if self._view.attributes.get(self._policy.case_attribute):
            case = Exclusion(Reason.OPEN_CASE, self._policy.case_attribute)
            found.append(SelectorExclusion(case, MARKETING))
        for hours in self._policy.quiet_hours:
            if channel in hours.channels and quiet_at(hours, self._now, self._zone):
                quiet = Exclusion(Reason.QUIET_HOURS, hours.name)
                found.append(SelectorExclusion(quiet, NOT_TRANSACTIONAL))
        lost = self._forgotten
        if lost is not None:
            self._bounded = True
            if channel in self._policy.outbound:
                found.append(SelectorExclusion(lost, NOT_TRANSACTIONAL))
        return found

    def capped(self, channel: str) -> list[SelectorExclusion]:
        """Return the caps that are reached for `channel`, in the policy's order.

        Transactional offers are no part of them.
        """
        return [capped for _, capped in self._reached(channel)]

    def withheld(self, offer: Row, channel: str) -> Exclusion | None:
        """Return why an offer is withheld on `channel`.

        The first that holds of: an open case, quiet hours, a cap; None where none does.
        """
        for suspended in self.suspended(channel):
            if selects(suspended.about, offer):
                return suspended.exclusion
        for _, capped in self._reached(channel):
            if _held(offer, capped):
                return capped.exclusion
        return None

    def free_at(self, offer: Row, channel: str) -> int | None:
        """Return when the reason for which an offer is withheld on `channel` is over, by itself.

        That is the first moment (microseconds) at which it is not withheld for that reason if
        nothing else happens; None where it is not withheld, or where time alone never frees it.
        """
        withheld = self.withheld(offer, channel)
        if withheld is None or withheld.reason == Reason.OPEN_CASE:
            return None
        if withheld.reason == Reason.QUIET_HOURS:
            hours = [one for one in self._policy.quiet_hours if channel in one.channels]
            return quiet_until(hours, self._now, self._zone)
        ends = [
            self._cap_free_at(cap, offer_id(offer), channel)
            for cap, capped in self._reached(channel)
            if _held(offer, capped)
        ]
        return None if None in ends else max(end for end in ends if end is not None)

    def reservations(self, shown: Iterable[Row], channel: str) -> tuple[str, ...]:
        """Return what a decision that shows these offers on `channel` has to reserve.

        "" is the message as a whole, under a hard cap per person; beside it the ids of offers under
        a hard cap of the offer or of a group. Transactional ones count, and so are reserved, too.
        """
        slate = list(shown)
        hard = [cap for cap in self._policy.caps if self._is_hard(cap, channel)]
        if not slate or not hard:
            return ()
        message = [""] if any(cap.per == "person" for cap in hard) else []
        about = [cap.about for cap in hard if cap.per != "person"]
        return (
            *message,
            *(offer_id(offer) for offer in slate if any(selects(one, offer) for one in about)),
        )

    def consulted_offers(self) -> tuple[str, ...]:
        """Return the ids of offers shown before that caps of a group have looked at, ascending."""
        return tuple(sorted({shown for _, shown in self._groups}))

    @cached_property
    def _zone(self) -> ZoneInfo:
        return zone_of(self._view, self._policy)

    @cached_property
    def _categories(self) -> dict[str, int]:
        return closed_categories(
            self._view, self._policy.cool_downs, self._now, self._base_intent, self._catalogue.items
        )

    @cached_property
    def _forgotten(self) -> Exclusion | None:
        return forgotten(self._view, self._policy.cool_downs, self._now, self._base_intent)

    @cached_property
    def _ledger(self) -> ContactLog:
        history = self._view.rule_history
        entries = chain.from_iterable(history.entries(lane) for lane in (CONTACT, SENT, RESERVED))
        return contact_log_of(entries, history.like, self._policy, self._now)

    def _is_hard(self, cap: Cap, channel: str) -> bool:
        """Tell whether a cap counts on `channel`, and is hard there."""
        return _counts_on(cap, channel) and (cap.hard or channel in self._policy.outbound)

    def _reached(self, channel: str) -> list[tuple[Cap, SelectorExclusion]]:
        found = self._capped.get(channel)
        if found is None:
            found = self._capped[channel] = [
                (cap, capped)
                for cap in self._policy.caps
                if _counts_on(cap, channel) and (capped := self._count(cap, channel)) is not None
            ]
        return found

    def _count(self, cap: Cap, channel: str) -> SelectorExclusion | None:
        """Return a cap as reached, or None where it is not."""
        whole = SelectorExclusion(Exclusion(Reason.CAPPED, cap.name), cap.about)
        hard = self._is_hard(cap, channel)
        if cap.limit <= 0 or (hard and not self._known):
            return whole
        outbound = channel in self._policy.outbound
        gaps = list(self._gaps(cap))
        if gaps and self._view.rule_history.former:
            if outbound:
                return whole
            gaps = []
        since = self._since(cap)
        lines = [line for line in self._delivered(cap) if line.at >= since]
        if hard:
            lines += self._pending(cap)
        if cap.per == "offer":
            times = Counter(offer for _, offer in {(line.message, line.offer) for line in lines})
            full = frozenset(offer for offer, number in times.items() if number >= cap.limit)
            doubtful = frozenset(offer_of(gap.of) for gap in gaps if gap.of is not None) - full
            of_all = any(gap.of is None for gap in gaps)
            self._bounded |= of_all or bool(doubtful)
            if outbound and of_all:
                return whole
            full |= doubtful if outbound else frozenset()
            return whole._replace(offers=full) if full else None
        reached = len({line.message for line in lines}) >= cap.limit
        if gaps and not reached:
            self._bounded = True
            reached = outbound
        return whole if reached else None

    def _cap_free_at(self, cap: Cap, offer: str, channel: str) -> int | None:
        """Return when a cap that is reached for an offer is no more, by itself."""
        if cap.limit <= 0 or not self._known:
            return None
        ends: dict[int, int] = {}
        lines = [(line, over_at(cap, line.at, self._zone)) for line in self._delivered(cap)]
        if self._is_hard(cap, channel):
            lapse = reservation_length(self._policy)
            lines += [(line, line.at + lapse) for line in self._pending(cap)]
        for line, end in lines:
            if cap.per != "offer" or line.offer == offer:
                ends[line.message] = max(end, ends.get(line.message, end))
        last = sorted(ends.values(), reverse=True)
        reached = last[cap.limit - 1] if len(last) >= cap.limit else self._now
        if channel not in self._policy.outbound:
            return reached
        unknown = (
            self._gap_ends(cap, gap)
            for gap in self._gaps(cap)
            if cap.per != "offer" or gap.of is None or offer_of(gap.of) == offer
        )
        return max([reached, *unknown])

    def _since(self, cap: Cap) -> int:
        """Return the first moment whose contacts still count under a cap."""
        if cap.calendar is None:
            return self._now - length_of(cap) + 1
        if cap.calendar not in self._windows:
            self._windows[cap.calendar] = window_of(self._now, cap.calendar, self._zone)[0]
        return self._windows[cap.calendar]

    def _delivered(self, cap: Cap) -> list[LoggedContact]:
        """Return the deliveries that a cap is about, whenever they were."""
        ledger = self._ledger
        lines = ledger.messages if cap.per == "person" else ledger.offers
        return self._about(cap, lines)

    def _pending(self, cap: Cap) -> list[LoggedContact]:
        """Return the reservations that a cap is about and that may still be delivered."""
        ledger = self._ledger
        lines = ledger.pending_messages if cap.per == "person" else ledger.pending_offers
        return self._about(cap, lines)

    def _about(self, cap: Cap, lines: list[LoggedContact]) -> list[LoggedContact]:
        if cap.channels:
            lines = [line for line in lines if line.channel in cap.channels]
        if cap.per == "group":
            lines = [line for line in lines if self._selected(cap, line.offer)]
        return lines

    def _selected(self, cap: Cap, shown: str) -> bool:
        """Tell whether a cap is about an offer that was shown; one unknown now is its id alone."""
        key = (cap.name, shown)
        found = self._groups.get(key)
        if found is None:
            offer = self._catalogue.row(shown) or Offer(id=shown)
            found = self._groups[key] = selects(cap.about, offer)
        return found

    def _gaps(self, cap: Cap) -> Iterator[Gap]:
        """Yield what may be missing of the contacts that count under a cap now."""
        for gap in gaps_of(cap, self._view.rule_history, self._policy):
            if self._gap_ends(cap, gap) > self._now and (
                gap.of is None or self._about(cap, [line_of(gap.of)])
            ):
                yield gap

    def _gap_ends(self, cap: Cap, gap: Gap) -> int:
        return gap_ends(cap, gap, self._policy, self._zone)


def _counts_on(cap: Cap, channel: str) -> bool:
    return not cap.channels or channel in cap.channels


def _held(offer: Row, capped: SelectorExclusion) -> bool:
    """Tell whether a cap that is reached withholds an offer."""
    return (
        offer.offer_class != "transactional"
        and (capped.offers is None or offer_id(offer) in capped.offers)
        and selects(capped.about, offer)
    )
