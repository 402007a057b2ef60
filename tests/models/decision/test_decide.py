"""The decision: one ranking for all channels, every gap with a reason, the same on every run."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.clock_time import DAY
from models.decision.decide import decide
from models.decision.inputs import SharedInputs
from models.domain.catalogue import Catalogue, Item, Stock
from models.domain.decisions import ContextItem, Decision, Flag, Request, Source
from models.domain.events import Event
from models.domain.reasons import Reason
from models.policy.schema import BUILT_IN, CandidateCounts, Policy
from models.ranking.offer_index import OfferIndex
from tests.support.decisions import NOW, event, histories, index, intents, offers, profile, requests
from tests.support.small_release import small_catalogue


def walk_of(decision: Decision) -> list[tuple[int, str]]:
    """Return (rank, offer) of everything shown or withheld, by rank."""
    said = [(shown.rank, shown.offer) for shown in decision.slate]
    said += [(withheld.rank, withheld.offer) for withheld in decision.withheld]
    return sorted(said)


@settings(max_examples=120)
@given(histories, requests, requests, intents, st.booleans())
def test_two_requests_of_one_moment_walk_one_ranking(
    events: list[Event], first: Request, second: Request, intent: str, ranked: bool
) -> None:
    """Shown and withheld are the ranking without a gap, and two channels walk the same tier 0."""
    customer = profile(*events)
    policy = Policy(candidates=CandidateCounts(items=8, sets=2))
    asked = [msgspec.structs.replace(request, intent=intent) for request in (first, second)]
    answers = [
        decide(customer, SharedInputs(index(ranked), policy), request, NOW) for request in asked
    ]
    for answer in answers:
        said = walk_of(answer)
        assert [rank for rank, _ in said] == list(range(1, len(said) + 1))
    shared = [
        {shown.offer: shown.rank for shown in answer.slate if shown.tier == 0} for answer in answers
    ]
    common = shared[0].keys() & shared[1].keys()
    assert all(shared[0][offer] == shared[1][offer] for offer in common)
    listed = [answer.candidates.ids(index().release.items) for answer in answers]
    tiers = [ids[: answer.shared] for ids, answer in zip(listed, answers, strict=True)]
    assert tiers[0] == tiers[1]
    for ids, answer in zip(listed, answers, strict=True):
        assert all(ids[rank - 1] == offer for rank, offer in walk_of(answer))


@settings(max_examples=80)
@given(histories, requests, st.sampled_from(("default", "discovery")), st.booleans())
def test_fewer_only_when_fewer_exist(
    events: list[Event], request: Request, intent: str, ranked: bool
) -> None:
    """A slate is short only when brute force finds no further offer that might be shown."""
    policy = Policy(candidates=CandidateCounts(items=5, sets=1))
    customer = profile(*events)
    request = msgspec.structs.replace(request, intent=intent)
    answer = decide(customer, SharedInputs(index(ranked), policy), request, NOW)
    all_of_them = Policy(candidates=CandidateCounts(items=500, sets=500))
    everything = decide(customer, SharedInputs(index(ranked), all_of_them), request, NOW)
    leads = {shown.item for shown in answer.slate}
    assert len(leads) == len(answer.slate)
    if len(answer.slate) < request.count:
        assert Flag.FEWER_THAN_ASKED in answer.flags or Flag.NONE_ELIGIBLE in answer.flags
        assert {shown.item for shown in everything.slate} <= leads


@settings(max_examples=60)
@given(histories, intents, st.booleans())
def test_order_is_tier_then_score_then_id(events: list[Event], intent: str, ranked: bool) -> None:
    """The slate is ordered by tier, descending score and offer id."""
    request = Request(channel="web", count=30, intent=intent)
    policy = Policy(candidates=CandidateCounts(items=6, sets=1))
    slate = decide(profile(*events), SharedInputs(index(ranked), policy), request, NOW).slate
    keys = [(shown.tier, -shown.score, shown.offer) for shown in slate]
    assert keys == sorted(keys)


def test_unknown_customer_is_cold_and_popular() -> None:
    """Nothing known of a customer is an answer by popularity, flagged."""
    answer = decide(profile(), SharedInputs(index(), BUILT_IN), Request(channel="web"), NOW)
    assert len(answer.slate) == 10
    assert Flag.COLD_START in answer.flags
    assert {shown.source for shown in answer.slate} == {Source.POPULAR}


def test_attributes_place_a_cold_customer() -> None:
    """Two customers without history but with other attributes get other rankings."""
    young, old = (
        profile(
            Event(
                event_id="a",
                identifier=b"i" * 16,
                type="attributes_changed",
                channel="app",
                time=NOW,
                attributes={"segment": segment},
            )
        )
        for segment in ("young", "old")
    )
    answers = [
        decide(who, SharedInputs(index(), BUILT_IN), Request(channel="web"), NOW)
        for who in (young, old)
    ]
    assert offers(answers[0]) != offers(answers[1])


def test_a_purchase_closes_its_offer_until_the_cool_down_ends() -> None:
    """What was bought 29 days ago is withheld as PURCHASED, after 30 days it may return."""
    request = Request(channel="web", count=60)
    for age, closed in ((29, True), (30, False)):
        customer = profile(event("purchase", "item3", at=NOW - age * DAY))
        answer = decide(customer, SharedInputs(index(), BUILT_IN), request, NOW)
        reasons = {withheld.offer: withheld.reason for withheld in answer.withheld}
        assert (reasons.get("item:item3") == Reason.PURCHASED) is closed
        assert any(shown.item == "item3" for shown in answer.slate) is not closed or closed


def test_undated_history_starts_no_cool_down() -> None:
    """A purchase of unknown time speaks for its item and does not close it."""
    undated = Event(
        event_id="u", identifier=b"i" * 16, type="purchase", channel="store", item="item3"
    )
    answer = decide(
        profile(undated), SharedInputs(index(), BUILT_IN), Request(channel="web", count=60), NOW
    )
    assert Reason.PURCHASED not in {withheld.reason for withheld in answer.withheld}


def test_replenish_offers_what_was_bought_and_nothing_else() -> None:
    """Intent `replenish` ranks the customer's own purchases, cool-down lifted."""
    customer = profile(event("purchase", "item3"), event("view", "item4"))
    request = Request(channel="web", intent="replenish")
    assert offers(decide(customer, SharedInputs(index(), BUILT_IN), request, NOW)) == ["item:item3"]


def test_context_counts_as_just_happened_and_is_not_offered() -> None:
    """A context item moves the ranking like a recorded view, and is itself withheld."""
    plain = decide(profile(), SharedInputs(index(), BUILT_IN), Request(channel="web"), NOW)
    request = Request(channel="web", count=60, context=(ContextItem("item5"),))
    answer = decide(profile(), SharedInputs(index(), BUILT_IN), request, NOW)
    assert Flag.COLD_START in plain.flags
    assert Flag.COLD_START not in answer.flags
    assert Reason.IN_CONTEXT in {withheld.reason for withheld in answer.withheld}
    assert "item:item5" not in offers(answer)
    assert answer.moment.context != plain.moment.context


def test_stock_at_a_place_withholds_with_its_age() -> None:
    """An offer out of stock at the store asked from is withheld with the time it was counted."""
    catalogue = small_catalogue()
    customer = profile(event("view", "item1"))
    first = decide(customer, SharedInputs(index(), BUILT_IN), Request(channel="kiosk"), NOW).slate[
        0
    ]
    row = catalogue.items[first.item]
    sold_out = Item(
        id=row.id,
        title=row.title,
        features=row.features,
        stock=(Stock("s1", 0, 7), Stock("s2", 3, 8)),
    )
    later = index().update(catalogue.apply(2, [sold_out]))
    here = decide(
        customer, SharedInputs(later, BUILT_IN), Request(channel="kiosk", place="s1"), NOW
    )
    there = decide(
        customer, SharedInputs(later, BUILT_IN), Request(channel="kiosk", place="s2"), NOW
    )
    assert here.withheld[0].reason == Reason.OUT_OF_STOCK
    assert here.withheld[0].stock_as_of == 7
    assert there.slate[0].item == first.item
    assert [c.item for c in there.slate][1:9] == [c.item for c in here.slate][:8]


def test_a_withdrawn_item_leads_nothing() -> None:
    """A withdrawn item is in no slate, nor does it lead an offer over a set."""
    catalogue = small_catalogue()
    gone = catalogue.apply(
        2,
        [
            Item(id=f"item{n}", features={"category": ["a" if n % 2 else "b"]}, withdrawn=True)
            for n in range(5, 15)
        ],
    )
    answer = decide(
        profile(event("view", "item5")),
        SharedInputs(index().update(gone), BUILT_IN),
        Request(channel="app", count=60),
        NOW,
    )
    assert not {f"item{n}" for n in range(5, 15)} & {shown.item for shown in answer.slate}


@pytest.mark.parametrize("ranked", [False, True])
def test_an_update_equals_an_index_made_afresh(ranked: bool) -> None:
    """Taking over changed rows gives the same answers as building the index again."""
    catalogue = small_catalogue()
    changed = catalogue.apply(
        2,
        [
            Item(id="item2", features={"category": ["b"]}, stock=(Stock("s1", 0, 1),)),
            Item(id="brand-new", features={"category": ["b"]}),
        ],
    )
    before = index(ranked)
    updated, fresh = before.update(changed), OfferIndex(before.release, changed)
    customer = profile(event("view", "item2"), event("add_to_cart", "item9"))
    request = Request(channel="app", count=60)
    assert decide(customer, SharedInputs(updated, BUILT_IN), request, NOW) == decide(
        customer, SharedInputs(fresh, BUILT_IN), request, NOW
    )


def test_an_empty_catalogue_is_an_empty_answer() -> None:
    """Without any offer the answer is empty and says so."""
    empty = OfferIndex(index().release, Catalogue())
    answer = decide(profile(), SharedInputs(empty, BUILT_IN), Request(channel="web"), NOW)
    assert answer.slate == ()
    assert Flag.NONE_ELIGIBLE in answer.flags


def test_because_names_what_the_customer_did() -> None:
    """What carried an offer is named by type and item, and only things that were done."""
    customer = profile(event("view", "item1"), event("add_to_cart", "item2"))
    answer = decide(customer, SharedInputs(index(), BUILT_IN), Request(channel="web"), NOW)
    named = {(because.type, because.item) for shown in answer.slate for because in shown.because}
    assert named
    assert named <= {("view", "item1"), ("add_to_cart", "item2")}


@pytest.mark.parametrize("channel", ["web", "email"])
def test_an_offer_bound_to_channels_is_withheld_elsewhere(channel: str) -> None:
    """An offer for e-mail and app is shown there, and withheld as CHANNEL on the web."""
    customer = profile(*(event("view", f"item{number}") for number in range(5, 15)))
    answer = decide(
        customer, SharedInputs(index(), BUILT_IN), Request(channel=channel, count=60), NOW
    )
    reasons = {withheld.offer: withheld.reason for withheld in answer.withheld}
    if channel == "web":
        assert reasons["coupon:many"] == Reason.CHANNEL
    else:
        assert "coupon:many" in offers(answer) or reasons["coupon:many"] == Reason.DIVERSITY
