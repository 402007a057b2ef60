"""What a customer is not shown for a while, whatever the channel: cool-downs, and what they know.

Only timed events start a cool-down; undated history says that something happened, not when. A
cool-down of some days holds from the event on and is over exactly that long after it.
"""

from collections.abc import Container, Iterator, Mapping, Sequence

from models.clock_time import DAY
from models.domain.catalogue import Item, Row
from models.domain.decisions import ContextItem, Intent
from models.domain.entry import Entry
from models.domain.event_types import DECLINED, INTERACTION_LANES, PURCHASE, RESPONSE, TAKEN
from models.domain.exclusions import Exclusion
from models.domain.names import DEFAULT_PREFIX
from models.domain.reasons import Reason
from models.domain.selectors import Selector
from models.domain.view import View
from models.policy.contact_log import offer_of
from models.policy.schema import CoolDowns


def closed_offers(
    view: View,
    cool_downs: CoolDowns,
    now: int,
    base_intent: str,
    context: tuple[ContextItem, ...],
    taken: Container[str] = TAKEN,
) -> dict[str, Exclusion]:
    """Return the offers that are not to be shown to this customer at `now`, by id.

    An item bought within the cool-down closes its default offer; an offer accepted, redeemed or
    bought under closes that offer; a dismissed offer, or the default offer of a dismissed item,
    likewise; so does an item of the context. An intent like `replenish` lifts the cool-down after a
    purchase; one like `discovery` closes the default offer of every item that the customer is
    remembered to have touched. A purchase is told before a decline, and that before the context.
    What was taken back closes nothing. `taken` are the types of answers by which an offer is taken.
    """
    history = view.rule_history
    closed = {
        DEFAULT_PREFIX + before_them.item: Exclusion(Reason.IN_CONTEXT) for before_them in context
    }
    responses = history.standing(RESPONSE)
    for entry, until in _within(responses, cool_downs.decline, now):
        if history.like(entry.type) in DECLINED:
            _close(closed, offer_of(entry), Exclusion(Reason.DECLINED, "decline", until))
    if base_intent != Intent.REPLENISH:
        for entry, until in _within(responses, cool_downs.purchase, now):
            if history.like(entry.type) in taken:
                _close(closed, offer_of(entry), Exclusion(Reason.PURCHASED, "purchase", until))
        for entry, until in _within(view.rule_history.standing(PURCHASE), cool_downs.purchase, now):
            bought = Exclusion(Reason.PURCHASED, "purchase", until)
            _close(closed, entry.offer, bought)
            if entry.item:
                _close(closed, DEFAULT_PREFIX + entry.item, bought)
    if base_intent == Intent.DISCOVERY:
        for item in touched(view):
            closed.setdefault(DEFAULT_PREFIX + item, Exclusion(Reason.TOUCHED))
    closed.pop("", None)
    return closed


def closed_categories(
    view: View, cool_downs: CoolDowns, now: int, base_intent: str, items: Mapping[str, Item]
) -> dict[str, int]:
    """Return the categories that a purchase closes at `now`, each with when it opens again.

    They are the values that the items bought have in the feature that the policy names.
    """
    found: dict[str, int] = {}
    if not cool_downs.category or base_intent == Intent.REPLENISH:
        return found
    for entry, until in _within(
        view.rule_history.standing(PURCHASE), cool_downs.category_days, now
    ):
        item = items.get(entry.item)
        if item is not None:
            for value in item.features.get(cool_downs.category, ()):
                found[value] = max(until, found.get(value, until))
    return found


def category_selector(cool_downs: CoolDowns, categories: Mapping[str, int]) -> Selector:
    """Return the selector of all offers of some categories."""
    return Selector(features={cool_downs.category: tuple(sorted(categories))})


def category_values(cool_downs: CoolDowns, offer: Row) -> set[str]:
    """Return the categories that an offer is in."""
    return set(offer.features.get(cool_downs.category, ()))


def touched(view: View) -> set[str]:
    """Return the items that the customer is remembered to have acted on in any way."""
    return {
        entry.item for lane in INTERACTION_LANES for entry in view.lanes.get(lane, ()) if entry.item
    }


def forgotten(view: View, cool_downs: CoolDowns, now: int, base_intent: str) -> Exclusion | None:
    """Return the cool-down of which not every offer is known any more at `now`; None: all are.

    More was declined, or taken, within it than a profile keeps.
    """
    rules = [(Reason.DECLINED, "decline", cool_downs.decline, RESPONSE, DECLINED)]
    if base_intent != Intent.REPLENISH:
        days = cool_downs.purchase
        rules.append((Reason.PURCHASED, "purchase", days, RESPONSE, TAKEN))
        rules.append((Reason.PURCHASED, "purchase", days, PURCHASE, frozenset({PURCHASE})))
    history = view.rule_history
    for reason, rule, days, lane, types in rules:
        for gap in history.gaps(lane):
            lost = gap.of is None and not gap.lane and history.like(gap.type) in types
            if lost and now < gap.until + round(days * DAY):
                return Exclusion(reason, rule)
    return None


def _within(entries: Sequence[Entry], days: float, now: int) -> Iterator[tuple[Entry, int]]:
    """Yield the timed entries that `days` have not passed since, each with when they will have."""
    lasting = round(days * DAY)
    for entry in entries:
        if entry.rank == 1 and now < entry.at + lasting:
            yield entry, entry.at + lasting


def _close(closed: dict[str, Exclusion], offer: str, said: Exclusion) -> None:
    """Close an offer; of several of one reason the one that lasts longest stands."""
    present = closed.get(offer)
    if present is None or present.reason != said.reason or (present.until or 0) < (said.until or 0):
        closed[offer] = said
