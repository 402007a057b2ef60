"""Between the messages of RecommendationService and the decision's own types."""

from collections.abc import Iterable

from throughline.v1 import recommendation_pb2 as pb

from models.domain.catalogue import Item, Offer, Row, default_offer, offer_id
from models.domain.decisions import ContextItem, Decision, Intent, Request, ShownOffer
from models.policy.schema import Placement, Policy
from service.contract import limits
from service.contract.common_messages import fill_money
from service.contract.names import Names
from service.contract.validation import Check

_LABELS = {"ORGANIC": pb.RATE_LABEL_ORGANIC, "RESPONSE": pb.RATE_LABEL_RESPONSE}


def read_request(
    check: Check, message: pb.RecommendRequest, names: Names, policy: Policy
) -> Request:
    """Read a request, adding every violation to `check`.

    Intent and count come from its placement in `policy` where the request has none.
    """
    intents = frozenset((*Intent.ALL, *policy.intents))
    # Where the settings declare no placements, any name will do, in the policy or not.
    placements = names.placements and names.placements | policy.placements.keys()
    placement = check.name("placement", message.placement, placements, required=False)
    slot = policy.placements.get(placement, Placement())
    return Request(
        channel=check.name("channel", message.channel, names.channels),
        placement=placement,
        intent=check.name("intent", message.intent, intents, required=False)
        or slot.intent
        or Intent.DEFAULT,
        place=check.text("place", message.place, limits.PLACE_BYTES),
        count=check.count("count", message.count, limits.COUNT, slot.count or limits.DEFAULT_COUNT),
        include=_ids(check, "include", tuple(message.include), limits.INCLUDE),
        exclude=_ids(check, "exclude", tuple(message.exclude), limits.EXCLUDE),
        context=_context(check, message),
    )


def fill_answer(
    response: pb.RecommendResponse,
    decision_id: str,
    decision: Decision,
    rows: Iterable[Row],
) -> None:
    """Fill `response` with a decision; `rows` are those that its record keeps."""
    offers = _slate_offers(decision, rows)
    response.decision_id = decision_id
    for shown in decision.slate:
        fill_recommended_offer(response.offers.add(), shown, offers[shown.offer])
    for withheld in decision.withheld:
        gap = response.withheld.add(
            offer_id=withheld.offer,
            rank=withheld.rank,
            reason=int(withheld.reason),
            rule=withheld.rule,
        )
        if withheld.stock_as_of is not None:
            gap.stock_as_of.FromMicroseconds(withheld.stock_as_of)
    response.withheld_more = decision.withheld_more
    moment = decision.moment
    message_moment = response.moment
    message_moment.profile_version = moment.profile_version
    message_moment.catalogue_revision = moment.catalogue_revision
    message_moment.release = moment.release
    message_moment.policy = moment.policy
    message_moment.minute.FromMicroseconds(moment.minute)
    message_moment.intent = moment.intent
    message_moment.context = moment.context
    response.flags.extend(int(flag) for flag in decision.flags)  # type: ignore[misc]
    response.unknown_ids = decision.unknown_ids
    response.rate_label = _LABELS.get(decision.label, pb.RATE_LABEL_UNSPECIFIED)


def fill_recommended_offer(entry: pb.RecommendedOffer, shown: ShownOffer, offer: Offer) -> None:
    """Fill `entry` with one offer of a slate."""
    entry.offer_id = shown.offer
    entry.item_id = shown.item
    entry.title = offer.title
    entry.rank = shown.rank
    entry.tier = shown.tier
    entry.score = shown.score
    entry.source = int(shown.source)  # type: ignore[assignment]
    entry.propensity = shown.propensity
    if shown.rate is not None:
        entry.rate = shown.rate
    if offer.price is not None:
        fill_money(entry.price, offer.price)
    for because in shown.because:
        entry.because.add(type=because.type, item_id=because.item)


def _slate_offers(decision: Decision, rows: Iterable[Row]) -> dict[str, Offer]:
    """Return the offers of the slate, by id, out of the rows that its record keeps."""
    row_by_offer = {offer_id(row): row for row in rows}
    slate = ((shown.offer, row_by_offer[shown.offer]) for shown in decision.slate)
    return {name: default_offer(row) if isinstance(row, Item) else row for name, row in slate}


def _ids(check: Check, field: str, ids: tuple[str, ...], limit: int) -> tuple[str, ...]:
    if not check.size(field, ids, limit):
        return ()
    for at, value in enumerate(ids):
        check.id(f"{field}[{at}]", value)
    return ids


def _context(check: Check, message: pb.RecommendRequest) -> tuple[ContextItem, ...]:
    if not check.size("context_items", message.context_items, limits.CONTEXT_ITEMS):
        return ()
    for at, entry in enumerate(message.context_items):
        check.id(f"context_items[{at}].item_id", entry.item_id)
        if entry.kind not in pb.ContextKind.values():
            check.add_violation(f"context_items[{at}].kind", "unknown value")
    return tuple(
        ContextItem(entry.item_id, entry.kind == pb.CONTEXT_KIND_IN_CART)
        for entry in message.context_items
    )
