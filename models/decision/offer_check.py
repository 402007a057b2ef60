"""Whether an offer still holds when it is clicked or redeemed, which may be days after it was told.

What the customer was told about stands: the channel, caps, quiet hours, a holdout or an open case
hold back what is told to them, not what they come for; nor does it matter that they accepted it,
which is why they come. What has to be true now is that there is such an offer, that they have not
used it up, that they may have it, at no more than the price they were told, and in stock where they
are.
"""

from typing import NamedTuple

from msgspec.structs import replace

from models.decision.decide import run_stages
from models.decision.inputs import DecisionInputs, SharedInputs
from models.decision.outcome import lead_of
from models.domain.catalogue import Money, Row, offer_id
from models.domain.decisions import DecisionRecord, Intent, Request
from models.domain.event_types import USED
from models.domain.exchange import Exchange
from models.domain.exclusions import Exclusion
from models.domain.names import DEFAULT_PREFIX
from models.domain.profile import Profile
from models.domain.reasons import Reason
from models.domain.selectors import OfferHas, Selector
from models.domain.validity import unavailable
from models.policy.cool_downs import closed_offers


class OfferCheck(NamedTuple):
    """Why an offer does not hold (None: it does), and its prices.

    `told` is the price that the customer was told, `price` that of now; None where there is none.
    """

    exclusion: Exclusion | None
    told: Money | None
    price: Money | None


def told_price(record: DecisionRecord, offer: str) -> Money | None:
    """Return the price that a decision told of an offer of its slate; None where it told none."""
    return next((row.price for row in record.rows if offer_id(row) == offer), None)


def check_offer(
    offer: str,
    profile: Profile,
    shared: SharedInputs,
    request: Request,
    now: int,
    told: Money | None = None,
) -> OfferCheck:
    """Return whether an offer holds for a customer who comes for it at `now` (microseconds).

    `profile` is that of who asks, as it is; `request` says on which channel they were told of it,
    and at which place ("": anywhere) they are; `told` is the price that they were told, if any.
    """
    row = shared.index.catalogue.row(offer)
    if row is None:
        return OfferCheck(Exclusion(Reason.WITHDRAWN), told, None)
    asked = DecisionInputs(profile, shared, request, now)
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
    cool_downs = asked.shared.policy.contact.cool_downs
    used = closed_offers(stages.gathered.view, cool_downs, asked.now, Intent.DEFAULT, (), USED)
    # What is bought again and again is offered for that; a coupon is used up all the same.
    again = stages.gathered.base_intent == Intent.REPLENISH and offer.startswith(DEFAULT_PREFIX)
    closed = used.get(offer)
    if closed is not None and closed.reason == Reason.PURCHASED and not again:
        return closed
    lead = lead_of(stages, at)
    for one in (*stages.everywhere.filters, *stages.channel.filters):
        if one.exclusion.reason.rechecked and one.excludes(at, lead):
            return one.exclusion
    return None


def _dearer(exchange: Exchange, told: Money | None, price: Money | None) -> bool:
    """Tell whether a customer would pay more than they were told, or nobody can say."""
    if told is None:
        return False
    return price is None or exchange.dearer(price, told) is not False
