"""Facts: what rules still know of what a lane let go of, in any order, and what is lost first."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.domain import event_types, facts, fold, profile, rule_history
from models.domain.event_types import EVENT_TYPES, EventType
from models.domain.events import Event, stamp_of
from models.domain.fold import fold as folded
from models.domain.profile import Compartment
from models.domain.rule_history import RuleHistory
from models.domain.view import view_of
from tests.support.events import EPOCH, SECOND, identifier

ANN = identifier(1)
EMPTY = Compartment(facts={})
LANE, DEPTH, FEW, MANY = 3, 3, 4, 7
TYPES = ("purchase", "dismiss", "accept", "click", "sent", "impression", "open", "shown_on_tv")
LIKES = {**EVENT_TYPES, "shown_on_tv": EVENT_TYPES["impression"]}


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[dict[str, EventType]]:
    """Make all bounds small, so that a few events reach them."""
    with pytest.MonkeyPatch.context() as patch:
        types = {
            name: one._replace(facts=MANY if one.facts == event_types.MANY else FEW)
            for name, one in EVENT_TYPES.items()
        }
        capacity = dict.fromkeys(profile.LANE_CAPACITY, LANE)
        patch.setattr(facts, "DEPTH", DEPTH)
        patch.setattr(facts, "FEW", FEW)
        patch.setattr(facts, "EVENT_TYPES", types)
        for module in (fold, rule_history):
            patch.setattr(module, "LANE_CAPACITY", capacity)
        yield types


def happened(number: int, type_: str, at: int | None, thing: int, decision: int) -> Event:
    """Return an event `at` seconds after the epoch of the tests; None: without a time."""
    return Event(
        event_id=f"e{number}",
        identifier=ANN,
        type=type_,
        channel="web",
        time=None if at is None else EPOCH + at * SECOND,
        offer=f"offer{thing}",
        decision_id=f"d{decision}" if decision else "",
    )


def remembered(compartment: Compartment, lane: str) -> list[tuple[int, int, int]]:
    """Return the stamps of all that a compartment knows of a lane."""
    known = [*compartment.lanes.get(lane, ())]
    if compartment.facts and lane in compartment.facts:
        known += compartment.facts[lane].entries
    return sorted((entry.rank, entry.at, entry.key) for entry in known)


def stamps(events: Sequence[Event]) -> list[tuple[int, int, int]]:
    """Return the stamps of events as entries have them."""
    found = [stamp_of(one) for one in events]
    return sorted((stamp.rank, stamp.at, stamp.key >> 32) for stamp in found)


HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(TYPES),
        st.one_of(st.none(), st.integers(0, 12)),
        st.integers(0, 9),
        st.integers(0, 4),
    ),
    max_size=60,
).map(lambda rows: [happened(number, *row) for number, row in enumerate(rows)])


@given(history=HISTORIES, data=st.data())
def test_order_and_batches_do_not_matter(history: list[Event], data: st.DataObject) -> None:
    """Any permutation in any batches leaves the same facts, however many bounds it reaches."""
    whole = folded(EMPTY, history, LIKES)
    shuffled = data.draw(st.permutations(history))
    step = data.draw(st.integers(1, 20))
    parts = EMPTY
    for start in range(0, len(shuffled), step):
        parts = folded(parts, shuffled[start : start + step], LIKES)
    assert parts == whole


@given(history=HISTORIES, others=st.lists(st.integers(0, 12), max_size=40))
@example(history=[happened(n, "dismiss", None, 0, 0) for n in range(LANE + 1)], others=[0] * LANE)
def test_no_type_pushes_out_another(history: list[Event], others: list[int]) -> None:
    """Whatever the traffic of one type, of each other all is known that facts have room for."""
    clicks = [happened(1000 + n, "click", at, n, 0) for n, at in enumerate(others)]
    for type_ in ("dismiss", "accept"):
        own = [one for one in history if one.type == type_]
        entries = [fold.entry_of(one, stamp_of(one), "response") for one in own]
        room_for = facts.added(facts.NO_FACTS, entries, {}).entries
        beside = folded(EMPTY, [*own, *clicks], LIKES)
        assert {*room_for} <= {*view_of([beside]).rule_history.entries("response")}


@given(history=HISTORIES)
def test_the_latest_of_each_thing_is_lost_last(history: list[Event]) -> None:
    """While there is room for one of each thing, the latest of each is known; else the latest."""
    part = folded(EMPTY, history, LIKES)
    for type_ in TYPES:
        own = sorted((one for one in history if one.type == type_), key=stamp_of)
        lane = LIKES[type_].lane
        known = set(remembered(part, lane))
        latest = {
            (one.offer, (one.decision_id or one.event_id) if type_ == "sent" else ""): one
            for one in own
        }
        room = facts.room_of(type_, {"shown_on_tv": "impression"})
        wanted = sorted(latest.values(), key=stamp_of)
        assert {*stamps(wanted[-room:])} <= known


def crowded(before: int | None) -> list[Event]:
    """Return clicks on one offer, the older one lost, and on as many others as there is room for.

    Those on the others were at `before`, and so earlier than the one that is lost.
    """
    things = [(before, 0), (before, 1), (before, 2), (5, 3), (6, 3)]
    clicks = [happened(number, "click", *row, 0) for number, row in enumerate(things)]
    return clicks + [happened(10 + number, "dismiss", 9, number, 0) for number in range(LANE)]


@given(history=HISTORIES)
@example(history=crowded(before=1))
@example(history=crowded(before=None))
def test_a_lane_and_its_facts_have_all_while_there_is_room(history: list[Event]) -> None:
    """Nothing is missing that no gap tells of, and without a gap nothing is missing."""
    part = folded(EMPTY, history, LIKES)
    known = view_of([part]).rule_history
    for lane in {LIKES[type_].lane for type_ in TYPES}:
        all_of = [one for one in history if LIKES[one.type].lane == lane]
        entries = {(entry.rank, entry.at, entry.key) for entry in known.entries(lane)}
        assert entries == {*remembered(part, lane)}
        for one in all_of:
            (stamp,) = stamps([one])
            if stamp not in entries:
                # Of a message that is known, nobody asks how often it was told.
                told = one.type == "sent" and one.decision_id in {
                    other.decision_id
                    for other in all_of
                    if {*stamps([other])} <= entries and other.offer == one.offer
                }
                assert told or told_missing(known, lane, one), one


def told_missing(history: RuleHistory, lane: str, event: Event) -> bool:
    """Tell whether some gap says that an event may be missing."""
    at = stamp_of(event).at if event.time is not None else 0
    return any(
        at <= gap.until
        and gap.type == event.type
        and (gap.of is None or (gap.of.channel, gap.of.offer) == (event.channel, event.offer))
        for gap in history.gaps(lane)
    )


def test_the_bounds_hold() -> None:
    """However much happens, a type keeps as many facts as it has room for."""
    events = [
        happened(number, type_, number, number % 50, number)
        for number, type_ in enumerate(TYPES * 40)
    ]
    part = folded(EMPTY, events, LIKES)
    for lane, kept in (part.facts or {}).items():
        assert len(part.lanes[lane]) == LANE
        for type_ in {entry.type for entry in kept.entries}:
            number = sum(entry.type == type_ for entry in kept.entries)
            assert number == facts.room_of(type_, part.likes)
    assert view_of([part]).rule_history.bounded
