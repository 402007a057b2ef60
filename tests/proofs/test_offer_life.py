"""An offer's life over all channels: told, accepted, redeemed, returned; raced for, and over.

Each story goes through gRPC alone, over a real process and each kind of store, with a thousand
other events of the customer between its steps.
"""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from throughline.v1 import offer_pb2
from throughline.v1 import recommendation_pb2 as pb

from models.domain.selectors import OfferHas, Selector
from models.policy.schema import Cap, Contact, Eligibility, Policy
from tests.support.live_shop import OTHERS, Shop, euro, live_shop
from tests.support.proof_table import Proof
from tests.support.redis_server import RedisServer
from tests.support.waiting import Pool, eventually

pytestmark = pytest.mark.machine

COUPON, PROMOTED, FLEETING = "coupon", "promoted", "fleeting"
INBOUND = ("web", "app", "till", "call_center")
RACES = 5
POLICY = Policy(
    contact=Contact(caps=(Cap(name="weekly", limit=1, days=7, channels=("email", "sms")),)),
    eligibility=(
        Eligibility(
            name="margin",
            about=Selector(groups=("promoted",)),
            when=(OfferHas(margin_at_least=0.25),),
        ),
    ),
)
ITEMS = [
    offer_pb2.Item(item_id=f"item{number}", title=f"Item {number}", price=euro(20 + number))
    for number in range(40)
]


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """One service for the stories of this file, over each kind of store."""
    directory = tmp_path_factory.mktemp("shop")
    store, workers = f"sqlite:{directory / 'data'}", 1
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("shared_redis")
        with server.client() as client:
            client.flushall()
        store, workers = server.url, 2
    with live_shop(directory, store, POLICY, ITEMS, workers) as started:
        started.put(coupon(COUPON), promoted(10), coupon(FLEETING))
        assert eventually(lambda: all_show(started, "cookie:nobody", COUPON), 20.0)
        yield started


def coupon(offer: str, until: datetime | None = None) -> offer_pb2.Offer:
    """Return a coupon on one article, and until when it is valid."""
    made = offer_pb2.Offer(offer_id=offer, item_ids=["item3"], title=offer, price=euro(5))
    if until is not None:
        made.valid_until.CopyFrom(stamp(until))
    return made


def promoted(price: int) -> offer_pb2.Offer:
    """Return an offer under the rule of the margin, of which 3 EUR are ours."""
    return offer_pb2.Offer(
        offer_id=PROMOTED,
        item_ids=["item5"],
        groups=["promoted"],
        price=euro(price),
        value=euro(3),
    )


def stamp(moment: datetime) -> Timestamp:
    """Return a moment as the contract has it."""
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def all_show(shop: Shop, who: str, offer: str) -> bool:
    """Tell whether every worker shows an offer to a customer on every channel that may."""
    return all(shop.shown(who, channel, offer) for channel in INBOUND for _ in shop.clients)


def none_shows(shop: Shop, who: str, offer: str) -> bool:
    """Tell whether no worker shows an offer to a customer on any channel."""
    return not any(shop.shown(who, channel, offer) for channel in INBOUND for _ in shop.clients)


def test_a_coupon_is_told_accepted_redeemed_and_returned(shop: Shop, proof: Proof) -> None:
    """What one channel does to an offer holds on all others, whatever else happens meanwhile."""
    web, app, card = "cookie:anna", "device:anna", "loyalty:anna"
    first = len(shop.decisions)

    # Told on the web, to whoever that is.
    told = shop.ask(web, "web", COUPON)
    assert [one.offer_id for one in told.offers] == [COUPON]
    shop.did(web, "impression", "web", offer_id=COUPON, decision_id=told.decision_id)
    shop.others(web)

    # Accepted on the app after a login: it is advertised no more, and holds at the till.
    shop.link(web, card)
    shop.link(app, card)
    shop.did(app, "accept", "app", offer_id=COUPON, decision_id=told.decision_id)
    shop.others(web, app, card)
    assert none_shows(shop, web, COUPON)
    assert shop.check(COUPON, "till", card).holds
    assert shop.check(COUPON, "till", decision=told.decision_id).holds

    # Redeemed and bought at the till, with a receipt: the call centre sees it at once.
    line = {"offer_id": COUPON, "item_id": "item3", "receipt_id": "r-1", "place": "store_1"}
    redeemed = shop.did(card, "redeem", "till", **line)
    bought = shop.did(
        card, "purchase", "till", **line, quantity=1.0, amount=euro(5), discount=euro(18)
    )
    seen = shop.customer(card)
    assert {one.type for one in seen.recent[:2]} == {"purchase", "redeem"}
    shop.others(web, app, card)
    assert {one.type: one.count for one in shop.customer(app).counts}["purchase"] == 1
    refused = shop.check(COUPON, "call_center", card)
    assert (refused.holds, refused.reason) == (False, pb.WITHHOLD_REASON_PURCHASED)
    assert refused.alternative.offers[0].offer_id != COUPON
    assert not shop.check(COUPON, "till", decision=told.decision_id).holds
    assert none_shows(shop, web, "item:item3")

    # The article comes back: both lines of the receipt are taken back, and all is open again.
    for line_id in (bought, redeemed):
        shop.did(card, "return", "till", of_event_id=line_id, receipt_id="r-2")
    assert [one.type for one in shop.customer(card).recent[:2]] == ["return", "return"]
    shop.others(web, app, card)
    assert all_show(shop, web, "item:item3")
    assert shop.check(COUPON, "till", card).holds
    # What was accepted stays so: it is theirs, and not advertised.
    assert none_shows(shop, web, COUPON)

    # A purchase that was a mistake is void, and closes nothing.
    mistaken = shop.did(card, "purchase", "till", item_id="item4")
    shop.others(web, app, card)
    assert none_shows(shop, app, "item:item4")
    shop.did(card, "void", "till", of_event_id=mistaken)
    shop.others(web, app, card)
    assert all_show(shop, app, "item:item4")

    assert shop.replayed() == []
    proof(
        "an offer's life is one on all channels",
        f"told, accepted, redeemed, returned; {OTHERS:,} other events between any two steps",
        f"{len(shop.decisions) - first:,} decisions, all as told, all replayed",
    )


def test_the_last_contact_is_one_channels(shop: Shop) -> None:
    """Of two channels that race for the last contact one gets it, and no other after it (S5)."""
    for race in range(RACES):
        who = f"loyalty:raced-{race}"
        shop.others(who)
        together = threading.Barrier(2)

        def asked(
            channel: str, who: str = who, together: threading.Barrier = together
        ) -> tuple[str, pb.RecommendResponse]:
            together.wait(30)
            return channel, shop.ask(who, channel)

        with Pool(2) as pool:
            answers = dict(pool.map(asked, ("email", "sms")))
        (channel,) = (name for name, answer in answers.items() if answer.offers)
        (loser,) = answers.keys() - {channel}
        assert capped(answers[loser])
        told = answers[channel]
        offer = told.offers[0].offer_id
        shop.did(who, "sent", channel, offer_id=offer, decision_id=told.decision_id)
        shop.others(who)
        for again in ("email", "sms"):
            assert capped(shop.ask(who, again))
        # It was told, so it holds.
        assert shop.check(offer, "till", who).holds


def capped(answer: pb.RecommendResponse) -> bool:
    """Tell whether an answer shows nothing because the weekly cap is reached."""
    reasons = {(one.reason, one.rule) for one in answer.withheld}
    return not answer.offers and (pb.WITHHOLD_REASON_CAPPED, "weekly") in reasons


def test_what_breaks_a_rule_is_gone_everywhere(shop: Shop) -> None:
    """A price under which a rule holds no more takes an offer off all channels in a second (S9)."""
    who = "loyalty:dear"
    told = shop.ask(who, "app", PROMOTED)
    assert [one.offer_id for one in told.offers] == [PROMOTED]
    shop.others(who)
    assert shop.check(PROMOTED, "till", who).holds
    shop.put(promoted(15))
    assert eventually(lambda: none_shows(shop, who, PROMOTED), 1.0)
    shop.others(who)
    for refused in (
        shop.check(PROMOTED, "till", who),
        shop.check(PROMOTED, "till", decision=told.decision_id),
    ):
        assert (refused.holds, refused.rule) == (False, "margin")
        assert refused.reason == pb.WITHHOLD_REASON_NOT_ELIGIBLE
        assert PROMOTED not in {one.offer_id for one in refused.alternative.offers}
        assert len(refused.alternative.offers) == 1


def test_what_is_over_is_refused_with_another(shop: Shop) -> None:
    """An offer whose validity, or price, has passed is refused when it is redeemed (S9)."""
    who = "loyalty:late"
    told = shop.ask(who, "app", FLEETING)
    assert [one.offer_id for one in told.offers] == [FLEETING]
    shop.others(who)
    assert shop.check(FLEETING, "till", decision=told.decision_id).holds
    past = datetime.now(UTC) - timedelta(seconds=1)
    expired = coupon(FLEETING)
    expired.price_until.CopyFrom(stamp(past))
    for change, reason in (
        (coupon(FLEETING, past), pb.WITHHOLD_REASON_NOT_VALID),
        (expired, pb.WITHHOLD_REASON_PRICE_EXPIRED),
    ):
        shop.put(change)
        assert eventually(lambda: none_shows(shop, who, FLEETING), 1.0)
        shop.others(who)
        for refused in (
            shop.check(FLEETING, "till", who),
            shop.check(FLEETING, "till", decision=told.decision_id),
        ):
            assert (refused.holds, refused.reason) == (False, reason)
            assert refused.alternative.decision_id != told.decision_id
            assert [one.offer_id for one in refused.alternative.offers] != [FLEETING]
    shop.put(coupon(FLEETING))
