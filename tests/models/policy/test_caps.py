"""Caps: what counts, when it stops, and that nothing exceeds them."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from models.clock_time import DAY
from models.domain.event_types import CONTACT, MANY, SENT
from models.domain.events import Event
from models.domain.exclusions import Exclusion
from models.domain.fold import fold
from models.domain.profile import LANE_CAPACITY, Compartment
from models.domain.reasons import Reason
from models.domain.selectors import Selector
from models.domain.view import view_of
from models.policy.caps import ContactRules
from models.policy.schema import Cap, Contact, Policy, QuietHours
from tests.support.contacts import (
    CATALOGUE,
    HOUR,
    MINUTE,
    NOW,
    Touch,
    contacts,
    naive_count,
    offer,
)

HALF = 30 * MINUTE
CHANNELS = ("email", "sms", "web")
OFFERS = ("loan", "card", "news")
LOANS = Selector(groups=("loans",))

TOUCHES = st.lists(
    st.builds(
        Touch,
        st.sampled_from(["impression", "sent", "reserved"]),
        st.sampled_from(CHANNELS),
        st.sampled_from(["", *OFFERS, "bill"]),
        st.one_of(
            st.none(),
            st.sampled_from([-96, -24, -2]),  # where windows and reservations end
            st.integers(-100, 2),
        ).map(lambda step: None if step is None else NOW + step * HALF),
        st.integers(0, 4),
    ),
    max_size=10,
)
WINDOWS = st.sampled_from(
    [{"days": 0.5}, {"days": 2.0}, {"calendar": "day"}, {"calendar": "week"}, {"calendar": "month"}]
)
CAPS = st.builds(
    lambda limit, per, channels, window, hard: Cap(
        name="cap",
        limit=limit,
        per=per,
        about=LOANS if per == "group" else Selector(),
        channels=channels,
        hard=hard,
        **window,
    ),
    st.integers(0, 3),
    st.sampled_from(["person", "offer", "group"]),
    st.sampled_from([(), ("email",), ("web", "sms")]),
    WINDOWS,
    st.booleans(),
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])


def withheld_by_count(
    touches: list[Touch], contact: Contact, now: int, channel: str, offer_id: str
) -> bool:
    """Tell whether the one cap of a policy withholds an offer, by the naive count."""
    cap = contact.caps[0]
    if cap.channels and channel not in cap.channels:
        return False
    if cap.per == "group" and "loans" not in CATALOGUE.offers[offer_id].groups:
        return False
    return naive_count(touches, cap, contact, now, channel, offer_id) >= cap.limit


@given(touches=TOUCHES, cap=CAPS, zone=ZONES, channel=st.sampled_from(CHANNELS))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_a_cap_withholds_as_a_naive_count_does(
    touches: list[Touch], cap: Cap, zone: str, channel: str
) -> None:
    """An offer is CAPPED exactly where counting every contact by itself reaches the limit."""
    contact = Contact(caps=(cap,), zone=zone)
    engine = contacts(touches, contact)
    for name in OFFERS:
        expected = withheld_by_count(touches, contact, NOW, channel, name)
        assert engine.withheld(offer(name), channel) == (
            Exclusion(Reason.CAPPED, "cap") if expected else None
        )


@given(touches=TOUCHES, cap=CAPS, zone=ZONES, channel=st.sampled_from(CHANNELS))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_a_cap_is_over_exactly_when_it_says(
    touches: list[Touch], cap: Cap, zone: str, channel: str
) -> None:
    """The moment told is the first at which the offer is not withheld, to the microsecond."""
    contact = Contact(caps=(cap,), zone=zone)
    loan = offer("loan")
    engine = contacts(touches, contact)
    free = engine.free_at(loan, channel)
    if engine.withheld(loan, channel) is None or cap.limit == 0:
        assert free is None
        return
    assert free is not None
    assert contacts(touches, contact, free).withheld(loan, channel) is None
    assert contacts(touches, contact, free - 1).withheld(loan, channel) is not None
    steps = range(NOW, free, HALF)
    assert all(withheld_by_count(touches, contact, step, channel, "loan") for step in steps)
    assert not withheld_by_count(touches, contact, free, channel, "loan")


@given(touches=TOUCHES, cap=CAPS, more=TOUCHES, channel=st.sampled_from(CHANNELS))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_one_more_contact_never_frees(
    touches: list[Touch], cap: Cap, more: list[Touch], channel: str
) -> None:
    """What is withheld stays so when contacts of other decisions are added."""
    contact = Contact(caps=(cap,))
    others = [touch._replace(decision=touch.decision and touch.decision + 10) for touch in more]
    before = contacts(touches, contact)
    after = contacts([*touches, *others], contact)
    for name in OFFERS:
        if before.withheld(offer(name), channel) is not None:
            assert after.withheld(offer(name), channel) is not None


@given(touches=TOUCHES, cap=CAPS, data=st.data(), channel=st.sampled_from(CHANNELS))
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
def test_order_of_arrival_and_identifiers_do_not_matter(
    touches: list[Touch], cap: Cap, data: st.DataObject, channel: str
) -> None:
    """Contacts that arrive in any order under any of a customer's identifiers all count alike."""
    contact = Contact(caps=(cap,))
    events = [
        Event(
            event_id=f"e{number}",
            identifier=b"i" * 16,
            type=touch.type,
            channel=touch.channel,
            time=touch.at,
            offer=touch.offer,
            decision_id=f"d{touch.decision}" if touch.decision else "",
        )
        for number, touch in enumerate(touches)
    ]
    shuffled = data.draw(st.permutations(events))
    cut = data.draw(st.integers(0, len(events)))
    parts = [fold(Compartment(), shuffled[:cut]), fold(Compartment(), shuffled[cut:])]
    merged = ContactRules(view_of(parts), Policy(contact=contact), NOW, "default", (), CATALOGUE)
    whole = contacts(touches, contact)
    for name in OFFERS:
        assert merged.withheld(offer(name), channel) == whole.withheld(offer(name), channel)


@pytest.mark.parametrize("seed", range(30))
def test_a_hard_cap_is_never_exceeded(seed: int) -> None:
    """Whoever asks, reserves, delivers before the lapse or never: no window ever holds too many."""
    chance = random.Random(seed)
    limit = chance.randint(1, 3)
    rolling = Cap(name="cap", limit=limit, days=1)
    daily = Cap(name="cap", limit=limit, calendar="day")
    weekly = Cap(name="cap", limit=limit, calendar="week")
    cap = chance.choice([rolling, daily, weekly])
    contact = Contact(caps=(cap,), zone=chance.choice(["UTC", "Europe/Berlin"]))
    touches: list[Touch] = []
    due: list[Touch] = []
    now = NOW
    for decision in range(1, 120):
        now += chance.randint(1, 12) * 10 * MINUTE
        touches += [touch for touch in due if (touch.at or 0) <= now]
        due = [touch for touch in due if (touch.at or 0) > now]
        channel = chance.choice(CHANNELS)
        engine = contacts(touches, contact, now)
        if engine.withheld(offer("loan"), channel) is None:
            assert engine.reservations([offer("loan")], channel) == ("",)
            touches.append(Touch("reserved", channel, "", now, decision))
            if chance.random() < 0.7:
                at = now + chance.randrange(60) * MINUTE
                kind = "impression" if channel == "web" else "sent"
                due.append(Touch(kind, channel, "loan", at, decision))
    delivered = [touch for touch in touches if touch.type != "reserved"]
    assert delivered
    for touch in delivered:
        at = touch.at or 0
        so_far = [other for other in delivered if (other.at or 0) <= at]
        assert naive_count(so_far, cap, contact, at, "email", "loan") <= cap.limit


def test_a_lapsed_reservation_is_free_again() -> None:
    """The last contact goes to one asker; unless it is confirmed it is free after the lapse."""
    contact = Contact(caps=(Cap(name="weekly", limit=1, calendar="week"),))
    reserved = Touch("reserved", "email", "", NOW, 7)
    assert contacts([], contact).withheld(offer("loan"), "sms") is None
    held = contacts([reserved], contact, NOW + HOUR - 1)
    assert held.withheld(offer("loan"), "sms") == Exclusion(Reason.CAPPED, "weekly")
    assert held.free_at(offer("loan"), "sms") == NOW + HOUR
    assert contacts([reserved], contact, NOW + HOUR).withheld(offer("loan"), "sms") is None
    sent = Touch("sent", "email", "loan", NOW + MINUTE, 7)
    confirmed = contacts([reserved, sent], contact, NOW + HOUR)
    assert confirmed.free_at(offer("loan"), "sms") == NOW + DAY  # Monday 00:00


@pytest.mark.parametrize("hard", [True, False])
def test_a_rolling_window_has_lost_what_is_as_old_as_it(hard: bool) -> None:
    """A contact counts until exactly the window's length after it, and no longer."""
    contact = Contact(caps=(Cap(name="cap", limit=1, days=2, hard=hard),))
    seen = [Touch("impression", "web", "loan", NOW)]
    end = NOW + 2 * DAY
    last = contacts(seen, contact, end - 1)
    assert last.withheld(offer("loan"), "web") == Exclusion(Reason.CAPPED, "cap")
    assert last.free_at(offer("loan"), "web") == end
    assert contacts(seen, contact, end).withheld(offer("loan"), "web") is None


def test_classes_pass_what_they_may() -> None:
    """Transactional offers pass everything but count; service passes an open case alone."""
    caps = (Cap(name="daily", limit=1, calendar="day"),)
    quiet = (QuietHours(name="night", channels=("email",), start="22:00", end="06:00"),)
    contact = Contact(caps=caps, quiet_hours=quiet)
    sent = [Touch("sent", "email", "bill", NOW)]
    full = contacts(sent, contact, open_case="S9")
    assert full.withheld(offer("loan"), "email") == Exclusion(Reason.OPEN_CASE, "open_case")
    assert full.withheld(offer("help"), "email") == Exclusion(Reason.QUIET_HOURS, "night")
    assert full.withheld(offer("help"), "sms") == Exclusion(Reason.CAPPED, "daily")
    assert full.withheld(offer("bill"), "email") is None
    assert full.free_at(offer("loan"), "email") is None
    assert full.free_at(offer("help"), "email") == NOW + 6 * HOUR
    assert full.reservations([offer("bill")], "email") == ("",)


def test_the_customers_own_zone_decides() -> None:
    """Windows and quiet hours follow the customer's attribute, the policy where it is no zone."""
    contact = Contact(caps=(Cap(name="daily", limit=1, calendar="day"),), zone="Asia/Tokyo")
    sent = [Touch("sent", "email", "loan", NOW)]
    free = {
        zone: contacts(sent, contact, time_zone=zone).free_at(offer("loan"), "email")
        for zone in ("Europe/Berlin", "America/New_York", "no/where", "")
    }
    assert free == {
        "Europe/Berlin": NOW + 22 * HOUR,  # the day of 23 hours began an hour before
        "America/New_York": NOW + 4 * HOUR,
        "no/where": NOW + 15 * HOUR,
        "": NOW + 15 * HOUR,
    }


def test_a_slate_reserves_what_its_caps_cover() -> None:
    """A message is reserved under a hard cap of the person, an offer under one of its own."""
    shown = [offer("loan"), offer("news")]
    person = Cap(name="p", limit=5, days=7, hard=False)
    group = Cap(name="g", limit=5, days=7, per="group", about=LOANS, channels=("email", "web"))
    both = contacts([], Contact(caps=(person, group)))
    assert both.reservations(shown, "email") == ("", "loan")
    assert both.reservations(shown, "web") == ("loan",)
    assert both.reservations(shown, "sms") == ("",)
    assert both.reservations(shown, "till") == ()
    assert both.reservations([], "email") == ()
    assert contacts([], Contact()).reservations(shown, "email") == ()


def rules_of(events: Sequence[Event], cap: Cap, *, former: bool = False) -> ContactRules:
    """Return the rules of a customer with these events under one cap."""
    whole = fold(Compartment(), events)
    if former:
        whole = replace(whole, facts=None)
    policy = Policy(contact=Contact(caps=(cap,)))
    return ContactRules(view_of([whole]), policy, NOW, "default", (), CATALOGUE)


def messages(count: int) -> list[Event]:
    """Return what tells of so many messages, one a minute, the last one now."""
    return [
        Event(
            event_id=f"m{step}",
            identifier=b"",
            type="sent",
            channel="email",
            time=NOW - step * MINUTE,
            offer="news",
            decision_id=f"d{step}",
        )
        for step in range(count)
    ]


def test_what_a_lane_lets_go_of_still_counts() -> None:
    """A cap counts what is older than all that a lane holds, and is free once that is over."""
    old = Event(
        event_id="old", identifier=b"", type="sent", channel="email",
        time=NOW - DAY, offer="loan", decision_id="old",
    )  # fmt: skip
    cap = Cap(name="cap", limit=1, days=2, per="offer")
    rules = rules_of([old, *messages(2 * LANE_CAPACITY[SENT])], cap)
    assert rules.withheld(offer("loan"), "sms") == Exclusion(Reason.CAPPED, "cap")
    assert rules.free_at(offer("loan"), "sms") == NOW + DAY
    assert rules.withheld(offer("card"), "sms") is None
    assert not rules.bounded


def test_what_is_forgotten_may_have_counted() -> None:
    """At the bound a cap holds outbound until its window is known; elsewhere it counts; flagged."""
    cap = Cap(name="cap", limit=3, days=2, per="offer")
    few, many = LANE_CAPACITY[SENT] + MANY, LANE_CAPACITY[SENT] + MANY + 1
    assert rules_of(messages(few), cap).withheld(offer("loan"), "sms") is None
    full = rules_of(messages(many), cap)
    assert full.withheld(offer("loan"), "sms") == Exclusion(Reason.CAPPED, "cap")
    assert full.bounded
    assert full.free_at(offer("loan"), "sms") == NOW - (few - 1) * MINUTE + 2 * DAY
    here = rules_of(messages(many), cap)
    assert here.withheld(offer("loan"), "web") is None
    assert here.bounded


def test_of_a_thing_more_may_be_forgotten_than_of_its_type() -> None:
    """Where only the latest of each offer is known, a cap on one is in doubt, on no other."""
    shown = [
        *((f"other{number}", NOW - 30 * DAY) for number in range(MANY - 1)),
        *(("loan", NOW - hours * HOUR) for hours in (3, 2)),
        *(("card", NOW - number) for number in range(LANE_CAPACITY[CONTACT])),
    ]
    events = [
        Event(
            event_id=f"i{number}", identifier=b"", type="impression", channel="web",
            time=at, offer=name,
        )
        for number, (name, at) in enumerate(shown)
    ]  # fmt: skip
    cap = Cap(name="cap", limit=2, days=7, per="offer")
    rules = rules_of(events, cap)
    assert rules.withheld(offer("loan"), "email") == Exclusion(Reason.CAPPED, "cap")
    assert rules.bounded
    assert rules.withheld(offer("news"), "email") is None
    here = rules_of(events, cap)
    assert here.withheld(offer("loan"), "web") is None
    assert here.bounded


def test_the_format_before_forgets_with_its_lanes() -> None:
    """Of a profile without facts a cap holds outbound until its window lies within its lanes."""
    cap = Cap(name="cap", limit=3, days=2, per="offer")
    count = LANE_CAPACITY[SENT]
    full = rules_of(messages(count), cap, former=True)
    assert full.withheld(offer("loan"), "sms") == Exclusion(Reason.CAPPED, "cap")
    assert full.free_at(offer("loan"), "sms") == NOW - (count - 1) * MINUTE + 2 * DAY
    assert full.withheld(offer("loan"), "web") is None
    assert not full.bounded
    assert rules_of(messages(count - 1), cap, former=True).withheld(offer("loan"), "sms") is None
