"""Replay: a record alone, with its release and policy, gives the same decision again."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.clock_time import DAY
from models.codec import encode
from models.decision.decide import decide
from models.decision.inputs import SharedInputs
from models.decision.replay import NotReplayable, replay
from models.domain.catalogue import Item, Offer, Row
from models.domain.decisions import Decision, Intent, Request
from models.domain.events import Event
from models.domain.reasons import Reason
from models.policy.schema import (
    BUILT_IN,
    CandidateCounts,
    Policy,
)
from tests.support.decisions import (
    NOW,
    either,
    event,
    histories,
    index,
    policies,
    profile,
    recorded,
    requests,
)
from tests.support.small_release import small_catalogue

impressions = st.lists(
    st.sampled_from(sorted(small_catalogue().offers)).map(
        lambda offer: event("impression", offer=offer)
    ),
    max_size=3,
    unique_by=lambda event: event.event_id,
)


@settings(max_examples=150, deadline=None)
@given(
    histories,
    impressions,
    requests,
    st.sampled_from(Intent.ALL),
    policies(),
    st.booleans(),
    st.data(),
)
def test_a_record_replays_byte_for_byte(
    events: list[Event],
    contacts: list[Event],
    request: Request,
    intent: str,
    policy: Policy,
    ranked: bool,
    data: st.DataObject,
) -> None:
    """Whatever the policy holds, a record, its release and its policy give the decision again."""
    found = index(ranked)
    exhausted = frozenset(data.draw(st.lists(st.sampled_from(found.rows.ids), max_size=3)))
    # Few places leave candidates below that nobody walked past.
    count = data.draw(either(1, 2, request.count))
    request = msgspec.structs.replace(request, intent=intent, count=count)
    customer = profile(*events, *contacts)
    record = recorded(customer, SharedInputs(found, policy, exhausted), request)
    again = replay(record, found.release, policy)
    assert msgspec.msgpack.encode(again) == msgspec.msgpack.encode(record.decision)


@settings(max_examples=60, deadline=None)
@given(histories, requests, requests, policies(), st.booleans())
def test_channels_walk_one_ranking_under_any_policy(
    events: list[Event], first: Request, second: Request, policy: Policy, ranked: bool
) -> None:
    """Exploring or not, two channels of one moment give an offer the same rank of tier 0."""
    world = SharedInputs(index(ranked), policy)
    ranks = [
        {shown.offer: shown.rank for shown in answer.slate if shown.tier == 0}
        for answer in (decide(profile(*events), world, asked, NOW) for asked in (first, second))
    ]
    common = ranks[0].keys() & ranks[1].keys()
    assert all(ranks[0][offer] == ranks[1][offer] for offer in common)


HEAVY = [
    event(kind, f"item{number % 40}", at=NOW - number * DAY // 20, offer=offer)
    for number in range(300)
    for kind, offer in (
        ("view", ""),
        ("purchase", ""),
        ("impression", f"item:item{number % 40}"),
        ("dismiss", f"item:item{number % 7}"),
    )
]


@settings(max_examples=60, deadline=None)
@given(requests, policies())
def test_what_lanes_let_go_of_replays(request: Request, policy: Policy) -> None:
    """Of a customer with more than lanes hold the record keeps what the policy looked back on."""
    world = SharedInputs(index(), policy)
    record = recorded(profile(*HEAVY), world, request)
    assert encode(replay(record, world.index.release, policy)) == encode(record.decision)


@pytest.mark.parametrize("ranked", [False, True])
def test_an_offer_led_by_a_new_item_replays_though_nobody_reached_it(ranked: bool) -> None:
    """The record keeps the item that leads a set, newer than the release, below what was walked."""
    base = index(ranked)
    rows: list[Row] = []
    for number in range(30):
        rows.append(Item(id=f"fresh{number}", features={"category": ["a"]}))
        rows.append(Offer(id=f"deal{number}", items=(f"fresh{number}",)))
    later = base.update(base.catalogue.apply(base.catalogue.revision + 1, rows))
    policy = Policy(candidates=CandidateCounts(items=3, sets=50))
    for item in range(40):
        customer = profile(event("view", f"item{item}"))
        record = recorded(customer, SharedInputs(later, policy), Request(channel="web", count=1))
        assert any(name.startswith("deal") for name in record.decision.candidates.named)
        again = replay(record, later.release, policy)
        assert encode(again) == encode(record.decision)


def test_a_change_of_the_record_changes_the_replay() -> None:
    """Other candidates or another profile do not replay to the decision that the record keeps."""
    customer = profile(event("view", "item1"), event("purchase", "item4"))
    record = recorded(customer, SharedInputs(index(True), BUILT_IN), Request(channel="web"))
    other = msgspec.structs.replace(record, profile=encode(profile(event("view", "item9"))))
    assert replay(other, index(True).release, BUILT_IN) != record.decision


@pytest.mark.parametrize("what", ["release", "policy"])
def test_a_record_of_something_else_is_refused(what: str) -> None:
    """A record is replayed only under the release and the policy that it names."""
    record = recorded(profile(), SharedInputs(index(False), BUILT_IN), Request(channel="web"))
    moment = msgspec.structs.replace(record.decision.moment, **{what: "0" * 64})
    decision: Decision = msgspec.structs.replace(record.decision, moment=moment)
    with pytest.raises(NotReplayable, match=what):
        replay(msgspec.structs.replace(record, decision=decision), index(False).release, BUILT_IN)


def test_an_offer_used_up_is_withheld() -> None:
    """An offer whose volume is used up is withheld as EXHAUSTED, on every channel."""
    used_up = frozenset({"item:item1"})
    answer = decide(
        profile(),
        SharedInputs(index(False), BUILT_IN, used_up),
        Request(channel="web", count=60),
        NOW,
    )
    reasons = {withheld.offer: withheld.reason for withheld in answer.withheld}
    assert reasons["item:item1"] == Reason.EXHAUSTED
