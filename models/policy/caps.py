"""The contact policy: what it withholds from a customer at one moment, and what has to be reserved.

Cool-downs and what the customer knows hold on every channel; an open case, quiet hours and caps on
the channel that asks.
"""

from collections.abc import Iterable
from datetime import tzinfo
from functools import cached_property

from models.domain.catalogue import Catalogue, Row, offer_id
from models.domain.decisions import ContextItem
from models.domain.exclusions import Exclusion, SelectorExclusion
from models.domain.reasons import Reason
from models.domain.selectors import Selector, selects
from models.domain.view import View
from models.policy.cap_counts import CapCounts
from models.policy.cool_downs import (
    category_selector,
    category_values,
    closed_categories,
    closed_offers,
    forgotten,
)
from models.policy.schema import Policy
from models.policy.windows import quiet_at, quiet_until, zone_of

MARKETING = Selector(classes=("marketing",))
NOT_TRANSACTIONAL = Selector(classes=("marketing", "service"))


class ContactRules:
    """What the contact policy says of one customer at `now` (microseconds); made once a decision.

    `base_intent` is the built-in intent that the one asked for behaves like. Unless the decision
    `reserves`, for which the store must take writes, every hard cap counts as reached. Nothing is
    counted before it is asked for, and nothing at all where the policy has no caps.
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
        reserves: bool = True,
    ) -> None:
        self._view = view
        self._policy = policy.contact
        self._now = now
        self._base_intent = base_intent
        self._context = context
        self._catalogue = catalogue
        self._reserves = reserves
        self._suspended: dict[str, list[SelectorExclusion]] = {}
        self._forgets = False

    @property
    def bounded(self) -> bool:
        """Whether a rule that was asked would have needed more than a profile keeps."""
        return self._forgets or (bool(self._policy.caps) and self._caps.bounded)

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
            self._forgets = True
            if channel in self._policy.outbound:
                found.append(SelectorExclusion(lost, NOT_TRANSACTIONAL))
        return found

    def capped(self, channel: str) -> list[SelectorExclusion]:
        """Return the caps that are reached for `channel`, in the policy's order.

        Transactional offers are no part of them.
        """
        return [capped for _, capped in self._caps.reached(channel)]

    def withheld(self, offer: Row, channel: str) -> Exclusion | None:
        """Return why an offer is withheld on `channel`.

        The first that holds of: an open case, quiet hours, a cap; None where none does.
        """
        for suspended in self.suspended(channel):
            if selects(suspended.about, offer):
                return suspended.exclusion
        for _, capped in self._caps.reached(channel):
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
            self._caps.free_at(cap, offer_id(offer), channel)
            for cap, capped in self._caps.reached(channel)
            if _held(offer, capped)
        ]
        return None if None in ends else max(end for end in ends if end is not None)

    def reservations(self, shown: Iterable[Row], channel: str) -> tuple[str, ...]:
        """Return what a decision that shows these offers on `channel` has to reserve.

        "" is the message as a whole, under a hard cap per person; beside it the ids of offers under
        a hard cap of the offer or of a group. Transactional ones count, and so are reserved, too.
        """
        slate = list(shown)
        hard = [cap for cap in self._policy.caps if self._caps.is_hard(cap, channel)]
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
        return self._caps.consulted_offers() if self._policy.caps else ()

    @cached_property
    def _caps(self) -> CapCounts:
        return CapCounts(
            self._view.rule_history,
            self._policy,
            self._now,
            self._zone,
            self._catalogue,
            reserves=self._reserves,
        )

    @cached_property
    def _zone(self) -> tzinfo:
        return zone_of(self._view, self._policy)

    @cached_property
    def _categories(self) -> dict[str, int]:
        return closed_categories(
            self._view, self._policy.cool_downs, self._now, self._base_intent, self._catalogue.items
        )

    @cached_property
    def _forgotten(self) -> Exclusion | None:
        return forgotten(self._view, self._policy.cool_downs, self._now, self._base_intent)


def _held(offer: Row, capped: SelectorExclusion) -> bool:
    """Tell whether a cap that is reached withholds an offer."""
    return (
        offer.offer_class != "transactional"
        and (capped.offers is None or offer_id(offer) in capped.offers)
        and selects(capped.about, offer)
    )
