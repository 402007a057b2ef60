"""Explanation: the first stage that dropped an offer, and the least change that shows it."""

from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.clock_time import DAY
from models.decision.decide import run_stages
from models.decision.inputs import DecisionInputs, SharedInputs
from models.decision.outcome import Stage, offer_outcome
from models.decision.record import record
from models.domain.catalogue import Catalogue, Item, Money, Stock
from models.domain.decisions import Intent, Request
from models.domain.events import Event
from models.domain.profile import Profile
from models.domain.reasons import Reason
from models.domain.selectors import OfferHas, Selector
from models.explanation.counterfactuals import ADVISED, Counterfactual, CounterfactualKind
from models.explanation.explain import explain
from models.explanation.minimal_change import MOST, MinimalChange, minimal_change
from models.policy.schema import (
    BUILT_IN,
    CandidateCounts,
    Cap,
    Contact,
    Currencies,
    Eligibility,
    HappenedLately,
    Policy,
    QuietHours,
)
from models.ranking.expected_value import log_factor_of
from models.ranking.offer_index import OfferIndex
from tests.support.decisions import (
    NOW,
    event,
    histories,
    index,
    policies,
    profile,
    recorded,
    requests,
    shown_after,
)
from tests.support.small_release import small_catalogue

FEW = Request(channel="web", count=3)
CENT = 0.01


@cache
def items() -> OfferIndex:
    """Return the small index without offers over sets, which would stand in for their items."""
    return OfferIndex(index(True).release, Catalogue(1, small_catalogue().items))


def case(
    *events: Event, policy: Policy = BUILT_IN, request: Request = FEW, rows: tuple[Item, ...] = ()
) -> DecisionInputs:
    """Return the inputs of a decision over the small catalogue, some rows of it replaced."""
    known = items()
    if rows:
        known = known.update(known.catalogue.apply(2, rows))
    return DecisionInputs(profile(*events), SharedInputs(known, policy), request, NOW)


def first_of(asked: DecisionInputs) -> str:
    """Return the item of the first offer of a decision."""
    return record(run_stages(asked)).slate[0].item


def only(found: MinimalChange, kind: CounterfactualKind) -> Counterfactual:
    """Return the one change of a kind that suffices by itself."""
    sets = [one for one in found.sets if one[0].kind == kind]
    assert len(sets) == 1
    assert len(sets[0]) == 1
    return sets[0][0]


def item(name: str, **fields: object) -> Item:
    """Return an item of the small catalogue with some fields replaced."""
    return msgspec.structs.replace(small_catalogue().items[name], **fields)


VIEWED = (event("view", "item1"), event("add_to_cart", "item2"))


@settings(max_examples=40)
@given(
    histories,
    requests,
    st.sampled_from(Intent.ALL),
    policies(),
    st.booleans(),
    st.integers(0, 41),
)
def test_every_offer_has_a_stage_and_what_is_told_shows_it(
    events: list[Event], request: Request, intent: str, policy: Policy, ranked: bool, number: int
) -> None:
    """Of any decision, an offer is shown or has a stage, and each told set shows it, none less."""
    known = index(ranked)
    offer = known.rows.ids[number % len(known.rows.ids)]
    request = msgspec.structs.replace(request, intent=intent)
    asked = DecisionInputs(profile(*events), SharedInputs(known, policy), request, NOW)
    decision = record(run_stages(asked))
    stands = offer_outcome(run_stages(asked), offer)
    assert (stands.stage == Stage.SHOWN) is (offer in {one.offer for one in decision.slate})
    withheld = {one.offer: one for one in decision.withheld}
    if offer in withheld and stands.stage == Stage.CHANNEL:
        assert (stands.reason, stands.rank) == (withheld[offer].reason, withheld[offer].rank)
    assert offer not in withheld or stands.stage in (Stage.CHANNEL, Stage.ELIGIBILITY)
    if stands.stage == Stage.SHOWN:
        return
    found = minimal_change(run_stages(asked), offer)
    assert found.stopped[0] == stands
    for changes in found.sets:
        assert 1 <= len(changes) <= MOST
        assert shown_after(asked, offer, changes)
        for at in range(len(changes)):
            fewer = (*changes[:at], *changes[at + 1 :])
            assert not shown_after(asked, offer, fewer)


def test_stock_is_one_piece() -> None:
    """What is out of stock at the place is shown with one more there, and not elsewhere."""
    name = first_of(case(*VIEWED))
    sold_out = item(name, stock=(Stock("s1", 0, 7), Stock("s2", 3, 8)))
    request = Request(channel="kiosk", count=3, place="s1")
    asked = case(*VIEWED, request=request, rows=(sold_out,))
    change = only(minimal_change(run_stages(asked), f"item:{name}"), CounterfactualKind.STOCK)
    assert (change.about, change.value) == ("s1", 1)


def test_a_cool_down_names_its_end() -> None:
    """What was bought is shown from the end of the cool-down on, and not a microsecond before."""
    bought = event("purchase", "item3", at=NOW - 29 * DAY)
    wide = Request(channel="web", count=60)
    asked = case(*VIEWED, bought, request=wide)
    offer = "item:item3"
    assert offer_outcome(run_stages(asked), offer).reason == Reason.PURCHASED
    change = only(minimal_change(run_stages(asked), offer), CounterfactualKind.TIME)
    assert change.at == NOW + DAY
    earlier = msgspec.structs.replace(change, at=change.at - 1)
    assert not shown_after(asked, offer, (earlier,))


def test_quiet_hours_name_their_end() -> None:
    """Quiet hours that withhold an offer are told with the minute at which they are over."""
    quiet = QuietHours(name="night", channels=("web",), start="15:00", end="18:30")
    asked = case(*VIEWED, policy=Policy(contact=Contact(quiet_hours=(quiet,))))
    stands = offer_outcome(run_stages(asked), f"item:{first_of(case(*VIEWED))}")
    assert (stands.reason, stands.rule) == (Reason.QUIET_HOURS, "night")
    change = only(
        minimal_change(run_stages(asked), f"item:{first_of(case(*VIEWED))}"),
        CounterfactualKind.TIME,
    )
    assert datetime.fromtimestamp(change.at / 1e6, UTC).strftime("%H:%M") == "18:30"


def test_a_cap_names_when_it_is_free() -> None:
    """A cap that is reached is told with the moment at which its window has lost the contact."""
    cap = Cap(name="weekly", limit=1, channels=("email",), days=7)
    sent = msgspec.structs.replace(event("sent", "item9", at=NOW - 2 * DAY), channel="email")
    request = Request(channel="email", count=3)
    asked = case(*VIEWED, sent, policy=Policy(contact=Contact(caps=(cap,))), request=request)
    offer = f"item:{first_of(case(*VIEWED))}"
    assert offer_outcome(run_stages(asked), offer).rule == "weekly"
    change = only(minimal_change(run_stages(asked), offer), CounterfactualKind.TIME)
    assert change.at == NOW + 5 * DAY
    assert not shown_after(asked, offer, (msgspec.structs.replace(change, at=change.at - 1),))


@pytest.mark.parametrize("bar", [False, True])
def test_a_price_is_told_to_the_cent(bar: bool) -> None:
    """A rule about prices is told with the nearest price that passes it, to the cent."""
    name = first_of(case(*VIEWED))
    priced = item(name, price=Money("EUR", 25, 0))
    condition = OfferHas(price_at_least=20.0) if bar else OfferHas(price_at_most=19.99)
    rule = Eligibility(name="cheap", when=(condition,), bar=bar, about=Selector(offers=()))
    asked = case(*VIEWED, policy=Policy(eligibility=(rule,)), rows=(priced,))
    offer = f"item:{name}"
    assert offer_outcome(run_stages(asked), offer).stage == Stage.ELIGIBILITY
    change = only(minimal_change(run_stages(asked), offer), CounterfactualKind.PRICE)
    assert change.value == pytest.approx(19.99)
    dearer = msgspec.structs.replace(change, value=change.value + CENT)
    assert not shown_after(asked, offer, (dearer,))


def test_a_price_in_another_currency_is_told_in_its_own() -> None:
    """A bound of EUR 30 is told of a price in yen as the highest price in yen that passes it."""
    name = first_of(case(*VIEWED))
    yen = item(name, price=Money("JPY", 6_000))
    rule = Eligibility(name="cheap", when=(OfferHas(price_at_most=30.0),), about=Selector())
    rates = Currencies(currency="EUR", rates={"JPY": "0.007"})
    asked = case(*VIEWED, policy=Policy(eligibility=(rule,), money=rates), rows=(yen,))
    offer = f"item:{name}"
    assert offer_outcome(run_stages(asked), offer).rule == "cheap"
    change = only(minimal_change(run_stages(asked), offer), CounterfactualKind.PRICE)
    assert change.value == 4285.71  # JPY 4,285.72 are EUR 30.00004
    dearer = msgspec.structs.replace(change, value=change.value + CENT)
    assert not shown_after(asked, offer, (dearer,))


def test_the_least_lever_is_told() -> None:
    """A lever that is told shows the offer, and a thousandth less does not."""
    asked = case(*VIEWED)
    ids = record(run_stages(asked)).candidates.ids(items().release.items)
    told = 0
    for offer in ids[3:12]:
        found = minimal_change(run_stages(asked), offer)
        for changes in found.sets:
            if changes[0].kind == CounterfactualKind.LEVER:
                told += 1
                least = _weaker(changes[0])
                assert not shown_after(asked, offer, (least,))
    assert told >= 3


def _weaker(change: Counterfactual) -> Counterfactual:
    """Return a lever that is a thousandth less."""
    factor = change.value - 0.001
    return msgspec.structs.replace(change, value=factor, score_lift=log_factor_of(factor))


def test_what_is_not_retrieved_may_need_an_event() -> None:
    """An offer that no source proposed is shown after an event with it, where that suffices."""
    asked = case(*VIEWED, policy=Policy(candidates=CandidateCounts(items=4, sets=1)))
    stages = {offer: offer_outcome(run_stages(asked), offer).stage for offer in items().rows.ids}
    far = [offer for offer, stage in stages.items() if stage == Stage.RETRIEVAL]
    assert far
    kinds = {
        one[0].kind for offer in far[:6] for one in minimal_change(run_stages(asked), offer).sets
    }
    assert kinds <= {CounterfactualKind.EVENT, CounterfactualKind.LEVER}


def test_two_stages_are_two_changes() -> None:
    """An offer that is sold out here and barred by its price needs both, and says so."""
    name = first_of(case(*VIEWED))
    both = item(name, price=Money("EUR", 25, 0), stock=(Stock("s1", 0, 7), Stock("s2", 3, 8)))
    rule = Eligibility(name="cheap", when=(OfferHas(price_at_most=20.0),))
    unpriced = Selector(offers=(f"item:{name}",))
    rule = msgspec.structs.replace(rule, about=unpriced)
    asked = case(
        *VIEWED,
        policy=Policy(eligibility=(rule,)),
        request=Request(channel="kiosk", count=3, place="s1"),
        rows=(both,),
    )
    found = minimal_change(run_stages(asked), f"item:{name}")
    (changes,) = found.sets
    assert {change.kind for change in changes} == {
        CounterfactualKind.PRICE,
        CounterfactualKind.STOCK,
    }
    assert [one.reason for one in found.stopped[:2]] == [Reason.NOT_ELIGIBLE, Reason.OUT_OF_STOCK]


def test_what_no_small_change_shows_says_what_stops_it() -> None:
    """What the request itself excludes has no small change, and its stage is told."""
    name = first_of(case(*VIEWED))
    asked = case(*VIEWED, request=Request(channel="web", exclude=(f"item:{name}",)))
    found = minimal_change(run_stages(asked), f"item:{name}")
    assert found.sets == ()
    assert [one.reason for one in found.stopped] == [Reason.EXCLUDED]


def test_what_nobody_can_bring_about_is_not_advised() -> None:
    """An attribute or a rate is named as such, and not among what is advised."""
    assert CounterfactualKind.ATTRIBUTE not in ADVISED
    assert CounterfactualKind.RATE not in ADVISED
    viewers = Eligibility(name="viewers", when=(HappenedLately(type="view", days=30, at_least=2),))
    asked = case(*VIEWED, policy=Policy(eligibility=(viewers,)), request=Request(channel="web"))
    found = minimal_change(run_stages(asked), "item:item7")
    assert {change.kind for changes in found.sets for change in changes} <= {
        CounterfactualKind.EVENT,
        CounterfactualKind.LEVER,
    }


def test_a_record_is_explained_as_it_was() -> None:
    """A record and its world explain what was shown by its parts, and are not told as moved."""
    world = SharedInputs(items(), BUILT_IN)
    record = recorded(profile(*VIEWED), world, FEW)
    first = record.decision.slate[0]
    said = explain(record, world, first.offer)
    assert said.shown == first
    assert not said.moved
    gone = items().update(items().catalogue.apply(2, [item(first.item, withdrawn=True)]))
    later = explain(record, SharedInputs(gone, BUILT_IN), first.offer)
    assert later.moved
    assert later.outcome.reason == Reason.WITHDRAWN


def test_an_unknown_offer_is_not_in_the_catalogue() -> None:
    """An offer that there is not has that as its stage, and no change."""
    asked = case(*VIEWED)
    assert offer_outcome(run_stages(asked), "item:nothing").stage == Stage.CATALOGUE
    assert minimal_change(run_stages(asked), "item:nothing").sets == ()


def test_what_is_not_valid_yet_names_its_day() -> None:
    """An offer whose validity begins later is shown from then on."""
    name = first_of(case(*VIEWED))
    asked = case(*VIEWED, rows=(item(name, valid_from=NOW + DAY),))
    change = only(minimal_change(run_stages(asked), f"item:{name}"), CounterfactualKind.TIME)
    assert change.at == NOW + DAY
    assert timedelta(microseconds=change.at - NOW) == timedelta(days=1)


def test_nobody_known_is_explained() -> None:
    """A customer of whom nothing is known is explained like any other."""
    asked = DecisionInputs(Profile(customer=b"i" * 16), SharedInputs(index(), BUILT_IN), FEW, NOW)
    ids = record(run_stages(asked)).candidates.ids(index().release.items)
    assert minimal_change(run_stages(asked), ids[5]).sets
