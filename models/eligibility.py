"""What a customer may be told at all, whatever the channel: cool-downs, and what is known to them.

Only timed events start a cool-down; undated history says that something happened, not when.
"""

from collections.abc import Iterator

from models.catalogue import DEFAULT_PREFIX
from models.decision import ContextItem, Intent, Reason
from models.events import PURCHASE, RESPONSE
from models.features import DAY
from models.past import LANES
from models.policy import Policy
from models.profile import Entry, View

TAKEN = ("accept", "redeem")
DECLINED = "dismiss"


def cooling(
    view: View,
    context: tuple[ContextItem, ...],
    policy: Policy,
    now: int,
    intent: str,
) -> dict[str, Reason]:
    """Return the offers that are not to be shown to this customer at `now`, each with its reason.

    An item bought within the cool-down closes its default offer; an offer accepted, redeemed or
    bought under closes that offer; a dismissed offer, or the default offer of a dismissed item,
    likewise. `replenish` lifts the cool-down after a purchase; `discovery` closes the default offer
    of every item that the customer is remembered to have touched.
    """
    closed: dict[str, Reason] = {}
    for before_them in context:
        closed[DEFAULT_PREFIX + before_them.item] = Reason.IN_CONTEXT
    responses = view.lanes.get(RESPONSE, ())
    for entry in _within(responses, policy.contact.cool_downs.decline, now):
        if entry.type == DECLINED:
            closed[_offer_of(entry)] = Reason.DECLINED
    if intent != Intent.REPLENISH:
        for entry in _within(responses, policy.contact.cool_downs.purchase, now):
            if entry.type in TAKEN:
                closed[_offer_of(entry)] = Reason.PURCHASED
        for entry in _within(view.lanes.get(PURCHASE, ()), policy.contact.cool_downs.purchase, now):
            if entry.item:
                closed[DEFAULT_PREFIX + entry.item] = Reason.PURCHASED
            if entry.offer:
                closed[entry.offer] = Reason.PURCHASED
    if intent == Intent.DISCOVERY:
        for item in touched(view):
            closed.setdefault(DEFAULT_PREFIX + item, Reason.TOUCHED)
    closed.pop("", None)
    return closed


def touched(view: View) -> set[str]:
    """Return the items that the customer is remembered to have acted on in any way."""
    return {entry.item for lane in LANES for entry in view.lanes.get(lane, ()) if entry.item}


def _within(entries: tuple[Entry, ...], days: float, now: int) -> Iterator[Entry]:
    return (entry for entry in entries if entry.rank == 1 and now - entry.at < days * DAY)


def _offer_of(entry: Entry) -> str:
    if entry.offer:
        return entry.offer
    return DEFAULT_PREFIX + entry.item if entry.item else ""
