"""Whether an offer still holds when it is clicked or redeemed, which may be days after it was told.

What the customer was told about stands: the channel, quiet hours, a holdout or an open case hold
back what is told to them, not what they come for. What has to be true now is that there is such an
offer, that the customer may have it, at no more than the price they were told, and in stock where
they are. The contact that the decision itself was does not count against it.
"""

from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from models.decision.decide import Deciding, World
from models.decision.outcome import lead_of, unavailable
from models.domain.catalogue import Money, Row, offer_id
from models.domain.decisions import Reason, Record, Request
from models.domain.events import CONTACT, RESERVED, SENT, decision_key
from models.domain.prices import amount
from models.domain.profile import Profile
from models.domain.selectors import OfferHas, Selector

_STILL = (
    Reason.NOT_ELIGIBLE,
    Reason.OUT_OF_STOCK,
    Reason.EXHAUSTED,
    Reason.CAPPED,
    Reason.NO_CONSENT,
)


class Checked(NamedTuple):
    """Why an offer does not hold (None: it does), the rule that says so, and the prices.

    `told` is the price of the decision, `price` that of now; None where there is none.
    """

    reason: Reason | None
    rule: str
    told: Money | None
    price: Money | None


def check(
    record: Record, offer: str, profile: Profile, world: World, place: str, now: int
) -> Checked:
    """Return whether an offer of the slate of `record` holds at `place` ("": anywhere) and `now`.

    `profile` is the customer's present one, `now` in microseconds.
    """
    told = next((row.price for row in record.rows if offer_id(row) == offer), None)
    row = world.index.catalogue.row(offer)
    if row is None:
        return Checked(Reason.WITHDRAWN, "", told, None)
    reason, rule = _held_back(record, row, profile, world, place, now)
    if reason is None and _dearer(told, row.price):
        reason = Reason.PRICE_CHANGED
    return Checked(reason, rule, told, row.price)


def asked_again(request: Request, channel: str, place: str) -> Request:
    """Return the request for one offer in the stead of one that does not hold."""
    return replace(
        request,
        channel=channel,
        place=place or request.place,
        placement="",
        count=1,
        include=(),
        exclude=(),
        context=(),
        about=Selector(),
        having=OfferHas(),
    )


def _held_back(
    record: Record, row: Row, profile: Profile, world: World, place: str, now: int
) -> tuple[Reason | None, str]:
    """Return the first reason why the customer may not have an offer, and its rule."""
    request = asked_again(record.request, record.request.channel, place)
    deciding = Deciding(_without_contact(profile, record.id), world, request, now)
    index, offer = world.index, offer_id(row)
    at = index.row_of(offer)
    if at is None or not index.eligible(now).mask[at]:
        return unavailable(row, now), ""
    closed = deciding.closed.get(offer)
    if closed is not None and closed.reason == Reason.PURCHASED:
        return closed.reason, closed.rule
    lead = np.int64(lead_of(deciding, at))
    for barrier in (*deciding.shared, *deciding.barriers):
        if barrier.reason not in _STILL or _about_messages(world, barrier.rule, barrier.reason):
            continue
        if barrier.rows[at] or (barrier.leads and barrier.rows[lead]):
            return barrier.reason, barrier.rule
    return None, ""


def _about_messages(world: World, rule: str, reason: Reason) -> bool:
    """Tell whether a cap counts messages: who comes for an offer is not sent one."""
    return reason == Reason.CAPPED and any(
        cap.name == rule and cap.per == "person" for cap in world.policy.contact.caps
    )


def _dearer(told: Money | None, price: Money | None) -> bool:
    """Tell whether a customer would pay more than they were told, or nobody can say."""
    if told is None:
        return False
    if price is None or price.currency != told.currency:
        return True
    return amount(price) > amount(told)


def _without_contact(profile: Profile, decision_id: str) -> Profile:
    """Return a profile without the contacts that a decision was."""
    key = decision_key(decision_id)
    compartments = {}
    for identifier, compartment in profile.compartments.items():
        lanes = {
            lane: tuple(entry for entry in entries if entry.decision != key)
            if lane in (CONTACT, SENT, RESERVED)
            else entries
            for lane, entries in compartment.lanes.items()
        }
        compartments[identifier] = replace(compartment, lanes=lanes)
    return replace(profile, compartments=compartments)
