"""Whether an offer still holds when it is clicked or redeemed, which may be days after it was told.

What the customer was told about stands: the channel, quiet hours, a holdout or an open case hold
back what is told to them, not what they come for. What has to be true now is that there is such an
offer, that the customer may have it, at no more than the price they were told, and in stock where
they are. The contact that the decision itself was does not count against it.
"""

from typing import NamedTuple

from msgspec.structs import replace

from models.decision.decide import run_stages
from models.decision.inputs import DecisionInputs, SharedInputs
from models.decision.outcome import lead_of
from models.domain.catalogue import Money, Row, offer_id
from models.domain.decisions import DecisionRecord, Request
from models.domain.event_types import CONTACT, RESERVED, SENT
from models.domain.events import decision_key
from models.domain.exchange import Exchange
from models.domain.exclusions import Exclusion
from models.domain.profile import Profile
from models.domain.reasons import Reason
from models.domain.selectors import OfferHas, Selector
from models.domain.validity import unavailable
from models.policy.schema import Policy


class OfferCheck(NamedTuple):
    """Why an offer does not hold (None: it does), and its prices.

    `told` is the price of the decision, `price` that of now; None where there is none.
    """

    exclusion: Exclusion | None
    told: Money | None
    price: Money | None


def check_offer(
    record: DecisionRecord,
    offer: str,
    profile: Profile,
    shared: SharedInputs,
    place: str,
    now: int,
) -> OfferCheck:
    """Return whether an offer of the slate of `record` holds at `place` ("": anywhere) and `now`.

    `profile` is the customer's present one, `now` in microseconds.
    """
    told = next((row.price for row in record.rows if offer_id(row) == offer), None)
    row = shared.index.catalogue.row(offer)
    if row is None:
        return OfferCheck(Exclusion(Reason.WITHDRAWN), told, None)
    request = replacement_request(record.request, record.request.channel, place)
    asked = DecisionInputs(_without_contact(profile, record.id), shared, request, now)
    exclusion = _excluded(asked, row)
    if exclusion is None and _dearer(shared.exchange, told, row.price):
        exclusion = Exclusion(Reason.PRICE_CHANGED)
    return OfferCheck(exclusion, told, row.price)


def replacement_request(request: Request, channel: str, place: str) -> Request:
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


def _excluded(asked: DecisionInputs, row: Row) -> Exclusion | None:
    """Return the first reason why the customer may not have an offer."""
    index, offer = asked.shared.index, offer_id(row)
    at = index.rows.row_of(offer)
    if at is None or not index.availability.eligible(asked.now).mask[at]:
        return Exclusion(unavailable(row, asked.now))
    stages = run_stages(asked)
    closed = stages.gathered.closed.get(offer)
    if closed is not None and closed.reason == Reason.PURCHASED:
        return closed
    lead = lead_of(stages, at)
    for one in (*stages.everywhere.filters, *stages.channel.filters):
        about_messages = _about_messages(asked.shared.policy, one.exclusion)
        if one.exclusion.reason.rechecked and not about_messages and one.excludes(at, lead):
            return one.exclusion
    return None


def _about_messages(policy: Policy, exclusion: Exclusion) -> bool:
    """Tell whether a cap counts messages: who comes for an offer is not sent one."""
    return exclusion.reason == Reason.CAPPED and any(
        cap.name == exclusion.rule and cap.per == "person" for cap in policy.contact.caps
    )


def _dearer(exchange: Exchange, told: Money | None, price: Money | None) -> bool:
    """Tell whether a customer would pay more than they were told, or nobody can say."""
    if told is None:
        return False
    return price is None or exchange.dearer(price, told) is not False


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
