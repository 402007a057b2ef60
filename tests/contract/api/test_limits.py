"""Every limit and default stands once in code and once in the contract: here both are compared."""

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet

from models.explanation import counterfactuals, minimal_change
from models.policy.toml_file import MISTAKES
from service.contract import limits
from tests.support.paths import ROOT

IMAGE = ROOT / "protos" / "contract.binpb"


def number(value: int) -> str:
    """Write a number as the comments do."""
    exponent = len(str(value)) - 1
    if value >= 10**9 and value == 10**exponent:
        return f"10^{exponent}"
    return f"{value:,}"


STATED = {
    "Identifier.value": [f"1 to {limits.ID_BYTES} bytes"],
    "Money.units": [f"0 to {number(limits.MONEY_UNITS)}"],
    "Money.nanos": [f"0 to {number(limits.MONEY_NANOS)}"],
    "Stock.place": [f"At most {limits.PLACE_BYTES} bytes"],
    "GetCustomerRequest.identifiers": [f"1 to {limits.IDENTIFIERS} identifiers"],
    "GetCustomerRequest.recent": [
        f"1 to {limits.RECENT}. Default (0): {limits.DEFAULT_RECENT}.",
    ],
    "LinkIdentifiersRequest.b": [f"at most {limits.CUSTOMER_IDENTIFIERS} identifiers"],
    "LinkIdentifiersRequest.asserted_by": [f"at most {limits.NAME_BYTES} bytes"],
    "UnlinkIdentifiersRequest.asserted_by": [f"at most {limits.NAME_BYTES} bytes"],
    "RecordEventsRequest.events": [f"1 to {number(limits.EVENTS)} events"],
    "Event.event_id": [f"1 to {limits.ID_BYTES} bytes"],
    "Event.time": [
        f"at most {limits.AHEAD_MINUTES} minutes ahead",
        f"{limits.BEHIND_DAYS} days behind",
    ],
    "Event.item_id": [f"at most {limits.ID_BYTES} bytes"],
    "Event.offer_id": [f"at most {limits.ID_BYTES} bytes"],
    "Event.placement": [f"at most {limits.NAME_BYTES} bytes"],
    "Event.place": [f"at most {limits.PLACE_BYTES} bytes"],
    "Event.quantity": [f"0 (not said) to {number(limits.QUANTITY)}, finite"],
    "Event.receipt_id": [f"at most {limits.ID_BYTES} bytes"],
    "Event.attributes": [
        f"at most {limits.ATTRIBUTES}; names of at most {limits.ATTRIBUTE_NAME_BYTES} bytes",
        f"values of at most {number(limits.ATTRIBUTE_VALUE_BYTES)}.",
    ],
    "FeatureValues.values": [
        f"1 to {limits.FEATURE_VALUES} values of at most {limits.FEATURE_VALUE_BYTES} bytes"
    ],
    "Item.item_id": [f"1 to {limits.ITEM_ID_BYTES} bytes"],
    "Item.title": [f"at most {limits.TITLE_BYTES} bytes"],
    "Item.features": [
        f"at most {limits.FEATURES} features; names of at most {limits.FEATURE_NAME_BYTES} bytes"
    ],
    "Item.stock": [f"at most {number(limits.STOCK_ENTRIES)} entries"],
    "Item.sensitivity": [f"at most {limits.NAME_BYTES} bytes"],
    "Item.groups": [f"at most {limits.GROUPS} names"],
    "Offer.sensitivity": [f"at most {limits.NAME_BYTES} bytes"],
    "Offer.groups": [f"at most {limits.GROUPS} names"],
    "Offer.creatives": [f"1 to {number(limits.CREATIVE_BYTES)} bytes"],
    "Offer.volume": [f"1 to {number(limits.VOLUME)}"],
    "Offer.offer_id": [f"1 to {limits.ID_BYTES} bytes"],
    "Offer.title": [f"at most {limits.TITLE_BYTES} bytes"],
    "Offer.item_ids": [f"1 to {number(limits.OFFER_ITEMS)}"],
    "Offer.features": [
        f"at most {limits.FEATURES} features; names of at most {limits.FEATURE_NAME_BYTES} bytes"
    ],
    "UpsertItemsRequest.items": [f"1 to {number(limits.UPSERT)} items, no id twice"],
    "UpsertOffersRequest.offers": [f"1 to {number(limits.UPSERT)} offers, no id twice"],
    "WithdrawItemsRequest.item_ids": [f"1 to {number(limits.UPSERT)} ids"],
    "WithdrawOffersRequest.offer_ids": [f"1 to {number(limits.UPSERT)} ids"],
    "ListItemsRequest.page_size": [
        f"1 to {number(limits.PAGE)}. Default (0): {limits.DEFAULT_PAGE}."
    ],
    "ListOffersRequest.page_size": [
        f"1 to {number(limits.PAGE)}. Default (0): {limits.DEFAULT_PAGE}."
    ],
    "RecommendRequest.identifiers": [f"1 to {limits.IDENTIFIERS} identifiers"],
    "RecommendRequest.placement": [f"at most {limits.NAME_BYTES} bytes"],
    "RecommendRequest.place": [f"At most {limits.PLACE_BYTES} bytes"],
    "RecommendRequest.count": [
        f"1 to {limits.COUNT}. Default (0): {limits.DEFAULT_COUNT}.",
    ],
    "RecommendRequest.include": [f"at most {number(limits.INCLUDE)} ids"],
    "RecommendRequest.exclude": [f"at most {number(limits.EXCLUDE)} ids"],
    "RecommendRequest.context_items": [f"at most {limits.CONTEXT_ITEMS}:"],
    "RecommendResponse.withheld": [f"the first {limits.WITHHELD} of it"],
    "ContextItem.item_id": [f"1 to {limits.ID_BYTES} bytes"],
    "RecommendBatchRequest.requests": [f"1 to {limits.BATCH} requests"],
    "RecommendRequest.request_id": [f"At most {limits.ID_BYTES} bytes"],
    "ExplainDecisionRequest.offer_id": [f"1 to {limits.ID_BYTES} bytes"],
    "ChangeSet.changes": [f"1 to {minimal_change.MOST} changes"],
    "DecisionChange.value": [
        f"the factor, {counterfactuals.FACTORS[0]:g} to {counterfactuals.FACTORS[1]:g}"
    ],
    "CheckOfferRequest.identifiers": [f"1 to {limits.IDENTIFIERS} identifiers"],
    "CheckOfferRequest.place": [f"at most {limits.PLACE_BYTES} bytes"],
    "PromoteReleaseRequest.release_id": [f"first {limits.RELEASE_DIGITS} or more digits"],
    "PromoteReleaseRequest.override": [f"At most {limits.REASON_BYTES} bytes"],
    "GetPolicyRequest.digest": [f"first {limits.DIGEST_DIGITS} or more digits"],
    "CheckPolicyRequest.toml": [f"1 to {number(limits.POLICY_BYTES)} bytes"],
    "CheckPolicyResponse.mistakes": [f"the first {MISTAKES}"],
    "PublishPolicyRequest.toml": [f"1 to {number(limits.POLICY_BYTES)} bytes"],
}


def comments() -> dict[str, str]:
    """Return the comment of every field of the contract, by message and field."""
    found: dict[str, str] = {}
    for file in FileDescriptorSet.FromString(IMAGE.read_bytes()).file:
        messages: list[DescriptorProto] = list(file.message_type)
        for location in file.source_code_info.location:
            path = list(location.path)
            if len(path) == 4 and path[0] == 4 and path[2] == 2:  # message, field
                message = messages[path[1]]
                text = " ".join(location.leading_comments.split())
                found[f"{message.name}.{message.field[path[3]].name}"] = text
    return found


COMMENTS = comments()


@pytest.mark.parametrize("field", sorted(STATED))
def test_contract_states_the_limit(field: str) -> None:
    """The comment of the field states the number that the code enforces."""
    for words in STATED[field]:
        assert words in COMMENTS[field]


def test_no_stated_limit_is_forgotten() -> None:
    """A field whose comment states a limit is compared with the code."""
    words = ("at most", "At most", "1 to ", "0 to ")
    stating = {field for field, text in COMMENTS.items() if any(word in text for word in words)}
    # Of answers: what the code makes, not what it is sent.
    stating -= {"RecommendedOffer.because", "RecommendedOffer.rate"}
    assert stating - set(STATED) == set()
