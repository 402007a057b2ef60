"""Offers in several currencies in one ranking, and decisions about them made again."""

from copy import copy
from functools import cache

import msgspec
import pytest

from models.decision.decide import decide
from models.decision.inputs import SharedInputs
from models.decision.offer_check import check_offer, told_price
from models.decision.replay import replay
from models.domain.catalogue import Catalogue, Item, Money, Offer
from models.domain.decisions import DecisionRecord, Request
from models.domain.reasons import Reason
from models.domain.selectors import OfferHas
from models.explanation.explain import explain
from models.policy.schema import BUILT_IN, Arbitration, Currencies, Eligibility, Policy
from models.ranking.offer_index import OfferIndex
from models.release.manifest import RESPONSE
from models.release.release import Release
from tests.support.decisions import NOW, event, index, offers, profile, recorded
from tests.support.small_release import small_catalogue

RATES = Currencies(currency="EUR", rates={"JPY": "0.006"})
ALL = Request(channel="web", count=40)
CUSTOMER = profile(event("view", "item1"), event("add_to_cart", "item2"))
WORTHS = {"EUR": Money("EUR", 5), "JPY": Money("JPY", 500), "USD": Money("USD", 100)}


def currency_of(name: str) -> str:
    """Return the currency that an item of the mixed catalogue is sold in."""
    return "JPY" if name[-1] in "13579" else "EUR"


@cache
def release() -> Release:
    """Return the small release, as if it had learnt responses."""
    whole = copy(index(True).release)
    whole.manifest = msgspec.structs.replace(whole.manifest, label=RESPONSE)
    return whole


def sold(**currencies: str) -> OfferIndex:
    """Return the small items, each worth EUR 5 or JPY 500 and at ten times that."""
    items = {}
    for name in small_catalogue().items:
        value = WORTHS[currencies.get(name) or currency_of(name)]
        price = Money(value.currency, 10 * value.units)
        items[name] = Item(id=name, value=value, price=price)
    return OfferIndex(release(), Catalogue(1, items))


def ranked_by(policy: Policy) -> list[str]:
    """Return the currencies of the slate, in order."""
    answer = decide(CUSTOMER, SharedInputs(sold(), policy), ALL, NOW)
    return [currency_of(shown.item) for shown in answer.slate]


def worths(policy: Policy) -> dict[str, set[int]]:
    """Return what value adds to the scores of the slate, by currency."""
    answer = decide(CUSTOMER, SharedInputs(sold(), policy), ALL, NOW)
    found: dict[str, set[int]] = {"EUR": set(), "JPY": set()}
    for shown in answer.slate:
        assert shown.score_parts is not None
        found[currency_of(shown.item)].add(shown.score_parts.worth)
    return found


def test_values_are_compared_in_one_currency() -> None:
    """At 0.006 a value of EUR 5 weighs more than one of JPY 500, as much as its rate says."""
    found = worths(Policy(money=RATES))
    (euro,), (yen,) = found["EUR"], found["JPY"]
    assert euro - yen == pytest.approx(round(2**20 * 0.5108256237659907), abs=1)  # ln(5 / 3)


def test_without_a_rate_a_value_counts_as_unknown() -> None:
    """What has no rate counts as `value_unknown`; in a mixed catalogue without a currency, all."""
    unknown = Arbitration(value_unknown=Money("EUR", 5))
    one = worths(Policy(arbitration=unknown, money=Currencies(currency="EUR")))
    assert one["EUR"] == one["JPY"]
    assert worths(Policy(arbitration=unknown)) == one  # its currency states one
    assert worths(BUILT_IN) == {"EUR": {0}, "JPY": {0}}


def test_a_catalogue_of_one_currency_needs_nothing() -> None:
    """Where all values are of one currency, they count as they are without a word in the policy."""
    yen = dict.fromkeys(small_catalogue().items, "JPY")
    answer = decide(CUSTOMER, SharedInputs(sold(**yen), BUILT_IN), ALL, NOW)
    said = Policy(money=Currencies(currency="JPY"))
    again = decide(CUSTOMER, SharedInputs(sold(**yen), said), ALL, NOW)
    assert offers(answer) == offers(again)
    assert all(one.score_parts and one.score_parts.worth > 0 for one in answer.slate)


@pytest.mark.parametrize("bound", [OfferHas(price_at_least=40.0), OfferHas(price_at_most=31.0)])
@pytest.mark.parametrize("channels", [(), ("web",)])
def test_a_record_alone_says_what_was_compared(bound: OfferHas, channels: tuple[str, ...]) -> None:
    """A decision over a mixed catalogue replays from its record, whatever the catalogue has now."""
    rule = Eligibility(name="bound", when=(bound,), channels=channels)
    for policy in (
        Policy(eligibility=(rule,)),
        Policy(eligibility=(rule,), money=Currencies(currency="EUR")),
        Policy(eligibility=(rule,), money=RATES),
        Policy(eligibility=(rule,), arbitration=Arbitration(value_unknown=Money("JPY", 7))),
    ):
        for few in (Request(channel="web", count=1), Request(channel="web", count=12)):
            record = recorded(CUSTOMER, SharedInputs(sold(), policy), few)
            again = replay(record, release(), policy)
            assert msgspec.msgpack.encode(again) == msgspec.msgpack.encode(record.decision)


def test_only_one_currency_is_left_in_the_record_of_a_mixed_catalogue() -> None:
    """Where the record holds one currency of a mixed catalogue, its amounts are unknown still."""
    rule = Eligibility(name="bound", channels=("web",), when=(OfferHas(price_at_least=40.0),))
    policy = Policy(eligibility=(rule,))
    mixed = sold(
        item7="USD", **{name: "EUR" for name in small_catalogue().items if name != "item7"}
    )
    record = recorded(CUSTOMER, SharedInputs(mixed, policy), Request(channel="web", count=3))
    assert record.currency == ""
    assert record.decision.slate == ()
    assert replay(record, release(), policy) == record.decision


def bare_record() -> tuple[DecisionRecord, Policy]:
    """Return a record as it was kept before there were currencies: JPY 5,000 passed for dear."""
    rule = Eligibility(name="dear", channels=("web",), when=(OfferHas(price_at_least=100.0),))
    policy = Policy(eligibility=(rule,))
    yen = SharedInputs(sold(), Policy(money=Currencies(currency="JPY"), eligibility=(rule,)))
    record = recorded(CUSTOMER, yen, Request(channel="web", count=3))
    moment = msgspec.structs.replace(record.decision.moment, policy=policy.digest)
    decision = msgspec.structs.replace(record.decision, moment=moment)
    return msgspec.structs.replace(record, decision=decision, currency=None), policy


def test_a_record_of_before_compares_bare_numbers() -> None:
    """A record without a currency replays and is explained as it was decided: by bare numbers."""
    record, policy = bare_record()
    assert {currency_of(shown.item) for shown in record.decision.slate} == {"JPY"}
    again = replay(record, release(), policy)
    assert [one.offer for one in again.slate] == [one.offer for one in record.decision.slate]
    shown = record.decision.slate[0].offer
    explained = explain(record, SharedInputs(sold(), policy), shown)
    assert explained.shown is not None


@pytest.mark.parametrize(
    ("price", "money", "dearer"),
    [
        (Money("EUR", 999_999_999_999, 990_000_001), RATES, True),
        (Money("EUR", 999_999_999_999, 990_000_000), RATES, False),
        (Money("JPY", 1), RATES, False),
        (Money("JPY", 10**12 * 1_000), RATES, True),
        (Money("USD", 1), RATES, True),
        (Money("JPY", 1), Currencies(), True),
    ],
)
def test_a_price_is_checked_against_the_one_that_was_told(
    price: Money, money: Currencies, dearer: bool
) -> None:
    """An offer does not hold where it is dearer than was told, to the nano, or nobody can say."""
    told = Money("EUR", 999_999_999_999, 990_000_000)
    policy = Policy(money=money, arbitration=Arbitration(value=False))
    coupon = Offer(id="coupon", items=("item1",), price=told)
    before = OfferIndex(release(), sold().catalogue.apply(2, [coupon]))
    wanted = Request(channel="web", count=40, include=("coupon",))
    record = recorded(profile(), SharedInputs(before, policy), wanted)
    assert offers(record.decision) == ["coupon"]
    now = msgspec.structs.replace(coupon, price=price)
    world = SharedInputs(before.update(before.catalogue.apply(3, [now])), policy)
    told_then = told_price(record, "coupon")
    found = check_offer("coupon", profile(), world, wanted, NOW, told_then)
    assert (found.exclusion is not None) is dearer
    if found.exclusion is not None:
        assert found.exclusion.reason == Reason.PRICE_CHANGED
