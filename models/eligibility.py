"""What a customer may be told at all, whatever the channel: cool-downs and what is before them.

Only timed events start a cool-down; undated history says that something happened, not when.
"""

from collections.abc import Iterator

from models.catalogue import DEFAULT_PREFIX
from models.decision import ContextItem, Reason
from models.events import PURCHASE, RESPONSE
from models.features import DAY
from models.policy import Policy
from models.profile import Entry, View

TAKEN = ("accept", "redeem")
DECLINED = "dismiss"


def cooling(
    view: View,
    context: tuple[ContextItem, ...],
    policy: Policy,
    now: int,
    *,
    replenish: bool,
) -> dict[str, Reason]:
    """Return the offers that are not to be shown to this customer at `now`, each with its reason.

    An item bought within the cool-down closes its default offer; an offer accepted, redeemed or
    bought under closes that offer; a dismissed offer, or the default offer of a dismissed item,
    likewise. `replenish` lifts the cool-down after a purchase.
    """
    closed: dict[str, Reason] = {}
    for before_them in context:
        closed[DEFAULT_PREFIX + before_them.item] = Reason.IN_CONTEXT
    responses = view.lanes.get(RESPONSE, ())
    for entry in _within(responses, policy.decline_cool_down, now):
        if entry.type == DECLINED:
            closed[_offer_of(entry)] = Reason.DECLINED
    if not replenish:
        for entry in _within(responses, policy.purchase_cool_down, now):
            if entry.type in TAKEN:
                closed[_offer_of(entry)] = Reason.PURCHASED
        for entry in _within(view.lanes.get(PURCHASE, ()), policy.purchase_cool_down, now):
            if entry.item:
                closed[DEFAULT_PREFIX + entry.item] = Reason.PURCHASED
            if entry.offer:
                closed[entry.offer] = Reason.PURCHASED
    closed.pop("", None)
    return closed


def _within(entries: tuple[Entry, ...], days: int, now: int) -> Iterator[Entry]:
    return (entry for entry in entries if entry.rank == 1 and now - entry.at < days * DAY)


def _offer_of(entry: Entry) -> str:
    if entry.offer:
        return entry.offer
    return DEFAULT_PREFIX + entry.item if entry.item else ""
