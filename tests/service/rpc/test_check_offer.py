"""Whether an offer holds for who comes for it: what uses it up, gives it back, or ends it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

import pytest
from throughline.v1 import customer_pb2
from throughline.v1 import recommendation_pb2 as pb

from models.domain.catalogue import Money, Offer, Row
from models.policy.schema import Cap, Contact, IntentRule, Policy
from tests.support.in_process import Running, event, loyalty, running
from tests.support.redis_server import RedisServer
from tests.support.server_processes import KEY
from tests.support.small_release import small_rows
from tests.support.waiting import eventually

pytestmark = pytest.mark.machine

COUPON = "coupon:one"
ONCE = Policy(contact=Contact(caps=(Cap(name="once", limit=1, per="offer", days=30, hard=True),)))


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def live(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """One server for the tests of this file, over each kind of store."""
    directory = tmp_path_factory.mktemp("checked")
    if request.param == "sqlite":
        with running(directory, rows=rows()) as started:
            yield started
        return
    server: RedisServer = request.getfixturevalue("shared_redis")
    with server.client() as client:
        client.flushall()
    with running(directory, rows=rows(), store=server.url, key=KEY) as started:
        yield started


def rows() -> list[Row]:
    """Return the small catalogue, its coupon at 5 EUR."""
    return [coupon() if row.id == COUPON else row for row in small_rows()]


def coupon(units: int = 5, until: int | None = None) -> Offer:
    """Return the coupon at a price, and until when it is valid (microseconds)."""
    price = Money("EUR", units, 0)
    return Offer(id=COUPON, items=("item3",), price=price, valid_until=until)


def put(live: Running, offer: Offer) -> None:
    """Change the catalogue; the server takes it over at once."""
    live.server.dependencies.store.put_catalogue([offer])
    live.server.dependencies.active_release.refresh_catalogue()


@contextmanager
def under(live: Running, policy: Policy) -> Iterator[None]:
    """Put a policy in force, and an empty one after."""
    publish(live, policy, 2)
    try:
        yield
    finally:
        publish(live, Policy(), 3)


def publish(live: Running, policy: Policy, at: int) -> None:
    """Put a policy in force, and wait until it is."""
    release = live.server.dependencies.active_release
    live.registry.publish(policy, at)
    assert eventually(lambda: release.snapshot.policy == policy)


def check(
    live: Running, *values: str, decision: str = "", offer: str = COUPON, channel: str = "till"
) -> pb.CheckOfferResponse:
    """Ask whether an offer holds, by a decision or by these `loyalty` values."""
    request = pb.CheckOfferRequest(offer_id=offer, channel=channel, decision_id=decision)
    request.identifiers.extend(loyalty(value) for value in values)
    return live.client.recommendations.CheckOffer(request)


def did(live: Running, who: str, type_: str, channel: str = "till", **more: object) -> str:
    """Record an event and return its id."""
    name = token_hex(8)
    answer = live.record(event(name, who, type_, channel=channel, **more))
    assert answer.results[0].outcome.code == 0, answer
    return name


def told(live: Running, who: str, channel: str = "app") -> str:
    """Decide on the coupon alone, and return the decision that shows it."""
    answer = live.recommend(who, channel=channel, include=[COUPON])
    assert [shown.offer_id for shown in answer.offers] == [COUPON]
    return answer.decision_id


def shown(live: Running, who: str, offer: str) -> bool:
    """Tell whether an offer is shown to a customer on the web."""
    return bool(live.recommend(who, include=[offer]).offers)


def test_what_was_accepted_holds_at_the_till(live: Running) -> None:
    """Accepting an offer is why the customer comes for it: it holds until it is redeemed."""
    decision = told(live, "accepts")
    did(live, "accepts", "accept", "app", offer_id=COUPON, decision_id=decision)
    assert not shown(live, "accepts", COUPON)
    assert check(live, "accepts").holds
    assert check(live, decision=decision).holds
    did(live, "accepts", "redeem", offer_id=COUPON)
    for answer in (check(live, "accepts"), check(live, decision=decision)):
        assert (answer.holds, answer.reason) == (False, pb.WITHHOLD_REASON_PURCHASED)
        assert answer.alternative.offers[0].offer_id != COUPON


@pytest.mark.parametrize("kind", ["return", "void"])
@pytest.mark.parametrize("by", ["event", "offer"])
def test_what_was_redeemed_and_returned_holds_again(live: Running, kind: str, by: str) -> None:
    """A redemption that was taken back, by its event or by its offer, has used nothing up."""
    who = f"{kind}s-by-{by}"
    redeemed = did(live, who, "redeem", offer_id=COUPON)
    assert not check(live, who).holds
    did(live, who, kind, **({"of_event_id": redeemed} if by == "event" else {"offer_id": COUPON}))
    assert check(live, who).holds
    assert shown(live, who, COUPON)


def test_one_return_of_what_was_redeemed_and_bought(live: Running) -> None:
    """Where one thing was redeemed and bought under an offer, one return of the offer is enough."""
    did(live, "both", "redeem", offer_id=COUPON, item_id="item3")
    did(live, "both", "purchase", offer_id=COUPON, item_id="item3")
    did(live, "both", "return", offer_id=COUPON)
    assert check(live, "both").holds
    assert shown(live, "both", "item:item3")


def test_what_was_bought_and_returned_is_shown_again(live: Running) -> None:
    """An item is offered again once its purchase was taken back, and not before."""
    bought = did(live, "buys", "purchase", item_id="item4")
    assert not shown(live, "buys", "item:item4")
    did(live, "buys", "return", "store", of_event_id=bought)
    assert shown(live, "buys", "item:item4")
    assert check(live, "buys", offer="item:item4").holds


def test_a_void_of_a_return_lets_the_purchase_stand(live: Running) -> None:
    """A return that was a mistake, and was taken back itself, takes nothing back."""
    bought = did(live, "mistake", "purchase", item_id="item4")
    returned = did(live, "mistake", "return", of_event_id=bought)
    assert shown(live, "mistake", "item:item4")
    did(live, "mistake", "void", of_event_id=returned)
    assert not shown(live, "mistake", "item:item4")


def test_what_is_bought_again_holds(live: Running) -> None:
    """An item that a decision to replenish offers holds although it was bought lately."""
    again = Policy(intents={"again": IntentRule(like="replenish")})
    with under(live, again):
        did(live, "replenishes", "purchase", item_id="item1")
        answer = live.recommend("replenishes", channel="app", intent="again", count=20)
        offers = [shown.offer_id for shown in answer.offers]
        assert "item:item1" in offers
        assert check(live, decision=answer.decision_id, offer="item:item1").holds


def test_a_cap_does_not_refuse_what_was_told(live: Running) -> None:
    """An SMS that reached the cap of its offer is why the customer comes: it holds at the till."""
    with under(live, ONCE):
        decision = told(live, "told", "sms")
        did(live, "told", "sent", "sms", offer_id=COUPON, decision_id=decision)
        again = live.recommend("told", channel="sms", include=[COUPON])
        why = {one.offer_id: one.reason for one in again.withheld}
        assert why[COUPON] == pb.WITHHOLD_REASON_CAPPED
        assert check(live, "told").holds
        assert check(live, decision=decision).holds


def test_a_decision_is_of_who_asked_when_they_are_parted(live: Running) -> None:
    """A decision made for B while linked to A holds for B after the unlink, whatever A buys."""
    a, b = f"a-{token_hex(4)}", f"b-{token_hex(4)}"
    did(live, a, "view", item_id="item1")
    did(live, b, "view", item_id="item2")
    link = customer_pb2.LinkIdentifiersRequest(a=loyalty(a), b=loyalty(b), asserted_by="login")
    live.client.customers.LinkIdentifiers(link)
    decision = told(live, b)
    unlink = customer_pb2.UnlinkIdentifiersRequest(a=loyalty(a), b=loyalty(b), asserted_by="login")
    live.client.customers.UnlinkIdentifiers(unlink)
    did(live, a, "redeem", offer_id=COUPON)
    assert check(live, decision=decision).holds
    assert check(live, b).holds
    assert not check(live, a).holds


def test_what_is_over_does_not_hold(live: Running) -> None:
    """An offer whose validity has passed is refused, by decision and by customer, with another."""
    decision = told(live, "late")
    put(live, coupon(until=time.time_ns() // 1_000 - 1))
    for answer in (check(live, "late"), check(live, decision=decision)):
        assert (answer.holds, answer.reason) == (False, pb.WITHHOLD_REASON_NOT_VALID)
        assert len(answer.alternative.offers) == 1
        assert answer.alternative.offers[0].offer_id != COUPON
    put(live, coupon())
    assert check(live, "late").holds


def test_what_is_dearer_does_not_hold(live: Running) -> None:
    """A price above the one that the decision told refuses it; without a decision none was told."""
    decision = told(live, "dear")
    put(live, coupon(6))
    dearer = check(live, decision=decision)
    assert (dearer.holds, dearer.reason) == (False, pb.WITHHOLD_REASON_PRICE_CHANGED)
    assert (dearer.told_price.units, dearer.price.units) == (5, 6)
    assert check(live, "dear").holds
    put(live, coupon(5))
    assert check(live, decision=decision).holds
