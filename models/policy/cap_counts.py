"""Which caps on contacts are reached for one customer at one moment, and when each is free again.

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
from collections.abc import Iterator
from datetime import tzinfo
from functools import cached_property
from itertools import chain

from models.clock_time import DAY
from models.domain.catalogue import Catalogue, Offer
from models.domain.event_types import CONTACT, RESERVED, SENT
from models.domain.exclusions import Exclusion, SelectorExclusion
from models.domain.reasons import Reason
from models.domain.rule_history import Gap, RuleHistory
from models.domain.selectors import selects
from models.policy.contact_log import (
    IMPRESSION,
    ContactLog,
    LoggedContact,
    contact_log_of,
    line_of,
    offer_of,
    reservation_length,
)
from models.policy.schema import Cap, Contact
from models.policy.windows import Calendar, window_of


class CapCounts:
    """Counts the contacts of a customer under the caps of a contact policy, each once it is asked.

    `zone` is the customer's. Unless the decision `reserves`, every hard cap counts as reached.
    `bounded`: a cap that was asked would have needed more than a profile keeps.
    """

    def __init__(
        self,
        history: RuleHistory,
        policy: Contact,
        now: int,
        zone: tzinfo,
        catalogue: Catalogue,
        *,
        reserves: bool,
    ) -> None:
        self.bounded = False
        self._history = history
        self._policy = policy
        self._now = now
        self._zone = zone
        self._catalogue = catalogue
        self._reserves = reserves
        self._capped: dict[str, list[tuple[Cap, SelectorExclusion]]] = {}
        self._windows: dict[Calendar, int] = {}
        self._groups: dict[tuple[str, str], bool] = {}

    def consulted_offers(self) -> tuple[str, ...]:
        """Return the ids of offers shown before that caps of a group have looked at, ascending."""
        return tuple(sorted({shown for _, shown in self._groups}))

    def is_hard(self, cap: Cap, channel: str) -> bool:
        """Tell whether a cap counts on `channel`, and is hard there."""
        return _counts_on(cap, channel) and (cap.hard or channel in self._policy.outbound)

    def reached(self, channel: str) -> list[tuple[Cap, SelectorExclusion]]:
        """Return the caps that are reached for `channel`, in the policy's order."""
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
        hard = self.is_hard(cap, channel)
        if cap.limit <= 0 or (hard and not self._reserves):
            return whole
        outbound = channel in self._policy.outbound
        gaps = list(self._gaps(cap))
        if gaps and self._history.former:
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
            self.bounded |= of_all or bool(doubtful)
            if outbound and of_all:
                return whole
            full |= doubtful if outbound else frozenset()
            return whole._replace(offers=full) if full else None
        reached = len({line.message for line in lines}) >= cap.limit
        if gaps and not reached:
            self.bounded = True
            reached = outbound
        return whole if reached else None

    def free_at(self, cap: Cap, offer: str, channel: str) -> int | None:
        """Return when a cap that is reached for an offer is no more, by itself."""
        if cap.limit <= 0 or not self._reserves:
            return None
        ends: dict[int, int] = {}
        lines = [(line, self._over(cap, line.at)) for line in self._delivered(cap)]
        if self.is_hard(cap, channel):
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

    @cached_property
    def _ledger(self) -> ContactLog:
        history = self._history
        entries = chain.from_iterable(history.entries(lane) for lane in (CONTACT, SENT, RESERVED))
        return contact_log_of(entries, history.like, self._policy, self._now)

    def _since(self, cap: Cap) -> int:
        """Return the first moment whose contacts still count under a cap."""
        if cap.calendar is None:
            return self._now - _length(cap) + 1
        if cap.calendar not in self._windows:
            self._windows[cap.calendar] = window_of(self._now, cap.calendar, self._zone)[0]
        return self._windows[cap.calendar]

    def _over(self, cap: Cap, at: int) -> int:
        """Return the moment at which a contact of `at` counts no more under a cap."""
        if cap.calendar is None:
            return at + _length(cap)
        return window_of(at, cap.calendar, self._zone)[1]

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
        history, outbound = self._history, self._policy.outbound
        lanes = {SENT: SENT, RESERVED: RESERVED}
        if not cap.channels or not set(cap.channels) <= set(outbound):
            lanes[CONTACT] = IMPRESSION
        for lane, type_ in lanes.items():
            for gap in history.gaps(lane):
                if self._gap_ends(cap, gap) <= self._now:
                    continue
                if gap.lane or (
                    history.like(gap.type) == type_
                    and (gap.of is None or self._about(cap, [line_of(gap.of)]))
                ):
                    yield gap

    def _gap_ends(self, cap: Cap, gap: Gap) -> int:
        """Return when nothing that may be missing counts any more under a cap."""
        reserved = RESERVED in (gap.lane, gap.type)
        ends = gap.until + reservation_length(self._policy) if reserved else gap.until
        if cap.per == "person" and reserved:
            return ends  # which offers a message held is of no account
        return max(ends, self._over(cap, gap.until))


def _counts_on(cap: Cap, channel: str) -> bool:
    return not cap.channels or channel in cap.channels


def _length(cap: Cap) -> int:
    return round((cap.days or 0) * DAY)
