"""Selectors and conditions of a policy: what each says, and the same as said naively."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.clock_time import local, within, zone_named
from models.domain.catalogue import Item, Money, Offer
from models.domain.event_types import EVENT_TYPES, FEW
from models.domain.events import Event
from models.domain.exchange import Exchange
from models.domain.fold import fold
from models.domain.profile import LANE_CAPACITY, Compartment
from models.domain.selectors import OfferHas, Selector, selects
from models.domain.view import View, view_of
from models.policy.conditions import Situation, undetermined
from models.policy.eligibility import met as holds
from models.policy.schema import (
    AllOf,
    AnyOf,
    AtPlace,
    AtTime,
    AttributeIs,
    Condition,
    Contact,
    HappenedLately,
    NoneOf,
)
from models.policy.selector_masks import SelectorMasks
from models.policy.windows import zone_of

DAY = 86_400_000_000  # microseconds
NOON = 1_512_129_600_000_000  # Friday 2017-12-01 12:00 UTC, 13:00 in Vienna
HOUR = DAY // 24
EUROS = Exchange("EUR")
OFFER = Offer(
    id="coupon",
    groups=("toys", "xmas"),
    features={"brand": ["acme"]},
    price=Money("EUR", 9, 900_000_000),
    value=Money("EUR", 2, 970_000_000),
)
ITEM = Item(id="i", features={"category": ["puzzles", "games"]})


def view(*events: Event, **attributes: str) -> View:
    """Return a customer with these attributes, of whom these events were recorded."""
    said = Event(
        event_id="a",
        identifier=b"",
        type="attributes_changed",
        channel="web",
        attributes=attributes,
    )
    return view_of([fold(Compartment(), [said, *events])])


def event(type_: str, days: float | None, item: str = "", channel: str = "web") -> Event:
    """Return an event of some days before noon, or an undated one."""
    return Event(
        event_id=f"{type_} {days} {item} {channel}",
        identifier=b"",
        type=type_,
        channel=channel,
        time=None if days is None else NOON - round(days * DAY),
        item=item,
    )


def zoned(name: str) -> datetime:
    """Return noon in a zone; fails where there is no such zone."""
    zone = zone_named(name)
    assert zone is not None
    return local(NOON, zone)


def met(condition: Condition, who: View, *, place: str = "s1", now: int = NOON) -> bool:
    """Tell whether a condition holds of `OFFER` for a customer."""
    situation = Situation(who, place, now, zone_of(who, Contact(zone="Europe/Vienna")), EUROS)
    return bool(np.all(holds(SelectorMasks([OFFER]), condition, situation)))


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (Selector(), True),
        (Selector(offers=("other", "coupon")), True),
        (Selector(offers=("other",)), False),
        (Selector(groups=("garden", "xmas")), True),
        (Selector(groups=("garden",)), False),
        (Selector(classes=("service", "marketing")), True),
        (Selector(classes=("service",)), False),
        (Selector(sensitivities=("health",)), False),
        (Selector(features={"brand": ("acme",)}), True),
        (Selector(features={"category": ("games",)}), False),  # its item's, not its own
        (Selector(features={"category": ("books",)}), False),
        (Selector(features={"category": ("games",), "brand": ("other",)}), False),
        (Selector(offers=("coupon",), groups=("garden",)), False),
        (Selector(offers=("coupon",), groups=("toys",), classes=("marketing",)), True),
    ],
    ids=str,
)
def test_a_selector_is_about_what_every_field_names(selector: Selector, expected: bool) -> None:
    """A selector is about an offer when each given field has one of its values."""
    assert selects(selector, OFFER) is expected


def test_an_item_stands_for_its_default_offer() -> None:
    """A selector is about an item by the id of its default offer and by its own features."""
    assert selects(Selector(offers=("item:i",), features={"category": ("games",)}), ITEM)
    assert not selects(Selector(offers=("i",)), ITEM)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (AttributeIs(name="tier"), True),
        (AttributeIs(name="unknown"), False),
        (AttributeIs(name="tier", one_of=("gold", "silver")), True),
        (AttributeIs(name="tier", one_of=("silver",)), False),
        (AttributeIs(name="age", at_least=18), True),
        (AttributeIs(name="age", at_least=17.5, at_most=18), True),
        (AttributeIs(name="age", at_least=18.5), False),
        (AttributeIs(name="age", at_most=17.9), False),
        (AttributeIs(name="tier", at_least=0), False),
        (AttributeIs(name="endless", at_least=0), False),
        (AttributeIs(name="unknown", at_most=9), False),
        (HappenedLately(type="purchase", days=7), True),
        (HappenedLately(type="purchase", days=1), False),
        (HappenedLately(type="purchase", days=1.001), True),
        (HappenedLately(type="purchase", days=30, at_least=2), True),
        (HappenedLately(type="purchase", days=30, at_least=3), False),
        (HappenedLately(type="purchase", days=7, at_most=0), False),
        (HappenedLately(type="add_to_cart", days=7, at_most=0), True),
        (HappenedLately(type="purchase", days=7, items=("milk",)), True),
        (HappenedLately(type="purchase", days=7, items=("bread",)), False),
        (HappenedLately(type="purchase", days=7, channels=("till",)), False),
        (HappenedLately(type="purchase", days=7, offers=("coupon",)), False),
        (HappenedLately(type="view", days=366), False),
        (AtPlace(one_of=("s1", "s2")), True),
        (AtPlace(one_of=("s2",)), False),
        (AtTime(start="13:00", end="14:00"), True),
        (AtTime(start="12:00", end="13:00"), False),
        (AtTime(start="22:00", end="13:01"), True),
        (AtTime(start="22:00", end="13:00"), False),
        (AtTime(start="13:00"), True),
        (AtTime(end="13:00"), False),
        (AtTime(weekdays=(5,)), True),
        (AtTime(weekdays=(1, 2, 3, 4, 6, 7)), False),
        (AtTime(since=datetime(2017, 12, 1, 13)), True),
        (AtTime(since=datetime(2017, 12, 1, 13, 1)), False),
        (AtTime(since=datetime(2017, 12, 1, 12, tzinfo=UTC)), True),
        (AtTime(since=datetime(2017, 12, 1, 13, tzinfo=UTC)), False),
        (AtTime(until=datetime(2017, 12, 1, 12, tzinfo=UTC)), False),
        (AtTime(until=datetime(2017, 12, 1, 13, 1)), True),
        (OfferHas(price_at_least=9.9, price_at_most=9.9), True),
        (OfferHas(price_at_least=9.91), False),
        (OfferHas(price_at_most=9.89), False),
        (OfferHas(value_at_least=2.97), True),
        (OfferHas(value_at_least=2.98), False),
        (OfferHas(margin_at_least=0.3), True),
        (OfferHas(margin_at_least=0.31), False),
        (AnyOf(of=(AtPlace(one_of=("s2",)), AtPlace(one_of=("s1",)))), True),
        (AnyOf(of=(AtPlace(one_of=("s2",)),)), False),
        (AllOf(of=(AtPlace(one_of=("s2",)), AtPlace(one_of=("s1",)))), False),
        (AllOf(of=(AtPlace(one_of=("s1",)), AttributeIs(name="age"))), True),
        (NoneOf(of=(AtPlace(one_of=("s2",)), AtPlace(one_of=("s1",)))), False),
        (NoneOf(of=(AtPlace(one_of=("s2",)), AttributeIs(name="unknown"))), True),
    ],
    ids=str,
)
def test_a_condition_says_what_its_words_say(condition: Condition, expected: bool) -> None:
    """Each condition, at its bounds and beside them, holds of this customer or does not."""
    who = view(
        event("purchase", 1, "milk"),
        event("purchase", 20, "bread"),
        event("view", None, "milk"),
        tier="gold",
        age="18",
        endless="inf",
    )
    assert met(condition, who) is expected


@pytest.mark.parametrize(
    ("zone", "start", "end", "weekdays", "hour", "expected"),
    [
        ("UTC", "21:00", "08:00", (5,), 20, True),  # Saturday 08:00 less a minute is Friday's night
        ("UTC", "21:00", "08:00", (5,), 21, False),
        ("UTC", "21:00", "08:00", (6,), 19, False),
        ("UTC", "00:00", "", (6,), 13, True),
        ("Asia/Tokyo", "08:00", "21:00", (6,), 12, True),
        ("America/New_York", "08:00", "21:00", (5,), 12, True),
    ],
)
def test_a_night_belongs_to_the_day_it_starts_on(
    zone: str, start: str, end: str, weekdays: tuple[int, ...], hour: int, expected: bool
) -> None:
    """A window over midnight goes on into the morning after its weekdays, and on no other."""
    found = zone_named(zone)
    assert found is not None
    moment = local(NOON + hour * HOUR - 60_000_000, found)
    assert within(moment, start, end, weekdays) is expected


def test_a_customer_has_the_zone_their_attribute_names() -> None:
    """The zone is the attribute's, and the policy's where that names none that there is."""
    contact = Contact(zone="Europe/Vienna")
    assert str(zone_of(view(time_zone="Asia/Tokyo"), contact)) == "Asia/Tokyo"
    for bad in ("", "Mars/Olympus", "../../etc/passwd", "Europe", "\0", "x" * 500):
        assert str(zone_of(view(time_zone=bad), contact)) == "Europe/Vienna"
    assert zoned("Europe/Vienna").hour == 13


def test_a_clock_that_is_put_back_is_followed() -> None:
    """Local time knows daylight saving: the same UTC hour is another one in summer."""
    zone = zone_named("Europe/Vienna")
    assert zone is not None
    assert local(NOON + 200 * DAY, zone).hour == 14


def test_a_count_is_of_what_the_profile_remembers() -> None:
    """More is counted than a lane holds, and beyond what is kept it is said that nobody knows."""
    most = LANE_CAPACITY["cart"] + FEW
    for happened, known in ((most, True), (most + 1, False)):
        who = view(*(event("add_to_cart", at / 100, f"i{at}") for at in range(happened)))
        at_noon = Situation(who, "", NOON, zone_of(who, Contact()), EUROS)
        assert met(HappenedLately(type="add_to_cart", days=30, at_least=most), who)
        asked = HappenedLately(type="add_to_cart", days=30, at_most=most)
        assert met(asked, who)
        assert undetermined(asked, at_noon) is not known
        assert not undetermined(HappenedLately(type="add_to_cart", days=30, at_least=most), at_noon)
        assert not undetermined(HappenedLately(type="add_to_cart", days=1, at_most=most), at_noon)


def test_a_declared_type_is_found_in_whichever_lane_holds_it() -> None:
    """A type that only a server's settings declare counts like a built-in one."""
    types = {"visit": EVENT_TYPES["view"]}
    who = view_of([fold(Compartment(), [event("visit", 1)], types)])
    assert met(HappenedLately(type="visit", days=2), who)


_values = st.sampled_from(("a", "b", "c"))
_several = st.lists(_values, max_size=2).map(tuple)
_selectors = st.builds(
    Selector,
    offers=_several,
    groups=_several,
    classes=st.lists(st.sampled_from(("marketing", "service")), max_size=2).map(tuple),
    sensitivities=_several,
    features=st.dictionaries(_values, st.lists(_values, min_size=1, max_size=2).map(tuple)),
)
_features = st.dictionaries(_values, st.lists(_values, max_size=2))
_offers = st.builds(
    Offer,
    id=_values,
    groups=_several,
    sensitivity=_values,
    offer_class=st.sampled_from(("marketing", "service")),
    features=_features,
)


@settings(max_examples=300)
@given(_selectors, _offers)
def test_selectors_are_as_said_naively(selector: Selector, offer: Offer) -> None:
    """A selector equals an intersection over its fields of the values that an offer has."""
    features: set[object] = {
        (name, value) for name, values in offer.features.items() for value in values
    }
    fields: list[tuple[set[object], set[object]]] = [
        (set(selector.offers), {offer.id}),
        (set(selector.groups), set(offer.groups)),
        (set(selector.classes), {offer.offer_class}),
        (set(selector.sensitivities), {offer.sensitivity}),
    ]
    for name, values in selector.features.items():
        wanted: set[object] = {(name, value) for value in values}
        fields.append((wanted, features))
    assert selects(selector, offer) == all(not said or said & had for said, had in fields)


_leaves: st.SearchStrategy[Condition] = st.one_of(
    st.builds(AttributeIs, name=_values, one_of=_several),
    st.builds(
        HappenedLately,
        type=st.sampled_from(("view", "purchase")),
        days=st.integers(1, 5).map(float),
        items=_several,
        at_least=st.none() | st.integers(0, 3),
        at_most=st.none() | st.integers(0, 3),
    ),
    st.builds(AtPlace, one_of=_several),
    st.builds(
        AtTime,
        start=st.sampled_from(("", "09:30", "22:15")),
        end=st.sampled_from(("", "06:00", "23:45")),
        weekdays=st.lists(st.integers(1, 7), max_size=4).map(tuple),
    ),
)


def _composed(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(parts, min_size=1, max_size=3).map(tuple)
    return st.one_of(*(st.builds(kind, of=several) for kind in (AnyOf, AllOf, NoneOf)))


_minutes: Callable[[str], int] = lambda text: int(text[:2]) * 60 + int(text[3:])  # noqa: E731


def naive(condition: Condition, acts: list[Event], who: dict[str, str], now: int) -> bool:
    """Say whether a condition holds at place "a" in UTC+1, from the events themselves."""
    if isinstance(condition, AttributeIs):
        value = who.get(condition.name)
        return value is not None and (not condition.one_of or value in condition.one_of)
    if isinstance(condition, HappenedLately):
        since = now - timedelta(days=condition.days) // timedelta(microseconds=1)
        counted = [
            act
            for act in acts
            if act.time is not None
            and act.time > since
            and act.type == condition.type
            and act.item in (condition.items or (act.item,))
        ]
        least, most = condition.at_least, condition.at_most
        if least is most is None:
            least = 1
        return (least or 0) <= len(counted) <= (99 if most is None else most)
    if isinstance(condition, AtPlace):
        return "a" in condition.one_of
    if isinstance(condition, AtTime):
        moment = datetime.fromtimestamp(now // 1_000_000, timezone(timedelta(hours=1)))
        opens = _minutes(condition.start or "00:00")
        closes = _minutes(condition.end or "24:00")
        closes += 1440 * (closes < opens)
        minute = moment.hour * 60 + moment.minute
        return any(
            opens <= minute + 1440 * back < closes
            and ((moment.isoweekday() - back - 1) % 7 + 1 in (condition.weekdays or range(1, 8)))
            for back in (0, 1)
        )
    assert isinstance(condition, AnyOf | AllOf | NoneOf)
    parts = [naive(part, acts, who, now) for part in condition.of]
    if isinstance(condition, AllOf):
        return all(parts)
    return any(parts) is isinstance(condition, AnyOf)


@settings(max_examples=400, deadline=None)
@given(
    st.recursive(_leaves, _composed, max_leaves=6),
    st.lists(
        st.builds(
            event,
            st.sampled_from(("view", "purchase")),
            st.none() | st.integers(0, 6).map(float),
            _values,
        ),
        max_size=8,
        unique_by=lambda act: act.event_id,
    ),
    st.dictionaries(_values, _values),
    st.integers(0, 7 * 24 * 60),
)
def test_conditions_are_as_said_naively(
    condition: Condition, acts: list[Event], who: dict[str, str], minute: int
) -> None:
    """Any composed condition over random customers and times equals a plain reading of it."""
    now = NOON + minute * 60_000_000
    zone = zone_named("Africa/Lagos")  # UTC+1 all year
    assert zone is not None
    situation = Situation(view(*acts, **who), "a", now, zone, EUROS)
    assert bool(holds(SelectorMasks([]), condition, situation)) == naive(condition, acts, who, now)
