"""Returns: what they take back, by a naive model, in any order and over all identifiers."""

from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.event_types import EVENT_TYPES
from models.domain.events import Event, event_key, stamp_of
from models.domain.fold import fold
from models.domain.profile import Compartment
from models.domain.view import View, view_of
from tests.support.events import EPOCH, SECOND, identifier

EMPTY = Compartment(facts={})
HALVES = st.sampled_from([0.0, 0.5, 1.0, 2.0])


def said(
    name: str,
    type_: str,
    at: int | None = 0,
    *,
    item: str = "",
    offer: str = "",
    quantity: float = 0.0,
    of: str = "",
    who: int = 1,
) -> Event:
    """Return an event `at` seconds after the epoch of the tests; None: without a time."""
    return Event(
        event_id=name,
        identifier=identifier(who),
        type=type_,
        channel="till",
        time=None if at is None else EPOCH + at * SECOND,
        item=item,
        offer=offer,
        quantity=quantity,
        of_event=of,
    )


def seen(*events: Event) -> View:
    """Return the view of a customer who did all that, each under its identifier."""
    return view_of(parts(events).values())


def parts(events: Sequence[Event]) -> dict[bytes, Compartment]:
    """Return the compartment of each identifier."""
    of: dict[bytes, list[Event]] = {}
    for one in events:
        of.setdefault(one.identifier, []).append(one)
    return {who: fold(EMPTY, of[who]) for who in sorted(of)}


def gone(*events: Event) -> set[str]:
    """Return the ids of the events that the view of them takes as never having been."""
    keys = seen(*events).rule_history.taken_back
    return {one.event_id for one in events if event_key(one.event_id) >> 32 in keys}


def naive(events: Sequence[Event]) -> set[str]:
    """Return the same by hand: piece by piece, in exact numbers."""
    ordered = sorted(events, key=stamp_of)
    takers = [one for one in ordered if one.type in ("return", "void")]
    stands: dict[str, bool] = {}

    def by(name: str) -> list[str]:
        return [one.event_id for one in takers if one.of_event == name and not one.quantity]

    while unknown := [one.event_id for one in takers if one.event_id not in stands]:
        sure = [name for name in unknown if all(one in stands for one in by(name))]
        for name in sure or unknown[-1:]:  # of those that take back each other the latest
            stands[name] = not any(stands.get(one) for one in by(name))
    returns = [one for one in takers if stands[one.event_id]]
    whole = {one.of_event for one in returns if one.of_event and not one.quantity}
    for kind in ("purchase", "redeem"):
        acts = [one for one in ordered if one.type == kind]
        left = {}
        for act in acts:
            bought = act.quantity if kind == "purchase" and act.quantity else 1
            left[act.event_id] = Fraction(0 if act.event_id in whole else bought)
        for taken in returns:
            if taken.of_event in left:
                left[taken.of_event] -= Fraction(taken.quantity)
        for taken in returns:
            if not taken.of_event:
                _by_thing(taken, acts, left)
        whole |= {name for name, quantity in left.items() if quantity <= 0}
    return whole & {one.event_id for one in events}


def _by_thing(taken: Event, acts: Sequence[Event], left: dict[str, Fraction]) -> None:
    before = [
        act
        for act in reversed(acts)
        if (act.time is None or (taken.time is not None and act.time <= taken.time))
        and (act.item == taken.item if taken.item else act.offer == taken.offer)
    ]
    pieces = Fraction(taken.quantity)
    for act in before:
        if left[act.event_id] <= 0:
            continue
        if not taken.quantity:
            left[act.event_id] = Fraction(0)
            return
        part = min(pieces, left[act.event_id])
        left[act.event_id] -= part
        pieces -= part
        if not pieces:
            return


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    """Draw up to 16 purchases, redemptions and returns of few things at few times."""
    count = draw(st.integers(0, 16))
    events = []
    for number in range(count):
        type_ = draw(st.sampled_from(["purchase", "redeem", "return", "void"]))
        thing = draw(st.sampled_from([("a", ""), ("b", ""), ("a", "coupon"), ("", "coupon")]))
        returns = EVENT_TYPES[type_].lane == "returned"
        by_event = returns and draw(st.booleans())
        events.append(
            said(
                f"e{number}",
                type_,
                draw(st.one_of(st.none(), st.integers(0, 4))),
                item="" if by_event else thing[0],
                offer="" if by_event else thing[1],
                quantity=draw(HALVES),
                of=f"e{draw(st.integers(0, count))}" if by_event else "",
                who=draw(st.integers(1, 3)),
            )
        )
    return events


@given(events=lives(), data=st.data())
def test_what_is_taken_back_is_what_a_naive_count_says(
    events: list[Event], data: st.DataObject
) -> None:
    """By event, item or offer, in parts or whole, in any order of arrival, it is the same acts."""
    expected = naive(events)
    assert gone(*events) == expected
    assert gone(*data.draw(st.permutations(events))) == expected
    standing = {entry.key for lane in seen(*events).lanes.values() for entry in lane}
    stays = {event_key(one.event_id) >> 32 for one in events if one.event_id not in expected}
    acts = {event_key(one.event_id) >> 32 for one in events if one.type in ("purchase", "redeem")}
    assert standing & acts == stays & acts


@given(events=lives())
def test_parting_identifiers_parts_what_was_taken_back(events: list[Event]) -> None:
    """A return counts among the events of its customer's identifiers, and of no others."""
    by_identifier = parts(events)
    for who in by_identifier:
        own = [one for one in events if one.identifier == who]
        keys = view_of([by_identifier[who]]).rule_history.taken_back
        assert {one.event_id for one in own if event_key(one.event_id) >> 32 in keys} == naive(own)


BOUGHT = said("p", "purchase", 1, item="a")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([BOUGHT, said("r", "return", 2, of="p")], {"p"}),
        ([BOUGHT, said("r", "void", 0, of="p")], {"p"}),
        ([BOUGHT, said("r", "return", 2, item="a")], {"p"}),
        ([BOUGHT, said("r", "return", 0, item="a")], set()),
        ([BOUGHT, said("r", "return", 2, item="b")], set()),
        ([BOUGHT, said("r", "return", 2, of="p"), said("v", "void", 3, of="r")], {"r"}),
        (
            [BOUGHT, said("q", "purchase", 2, item="a"), said("r", "return", 3, item="a")],
            {"q"},
        ),
        # Two returns of two purchases: none of them is spent on one that is gone.
        (
            [
                BOUGHT,
                said("q", "purchase", 2, item="a"),
                said("r", "return", 3, of="q"),
                said("s", "return", 4, item="a"),
            ],
            {"p", "q"},
        ),
        (
            [
                BOUGHT,
                said("q", "purchase", 2, item="a"),
                said("s", "return", 3, item="a"),
                said("r", "return", 4, of="q"),
            ],
            {"p", "q"},
        ),
        # One thing, redeemed and bought: both come back.
        (
            [
                said("c", "redeem", 1, item="a", offer="coupon"),
                said("q", "purchase", 1, item="a", offer="coupon"),
                said("r", "return", 2, offer="coupon"),
            ],
            {"c", "q"},
        ),
        ([said("d", "dismiss", 1, offer="coupon"), said("r", "void", 2, of="d")], {"d"}),
    ],
)
def test_what_a_return_takes_back(events: list[Event], expected: set[str]) -> None:
    """A return takes back what it names, and each of several its own."""
    assert gone(*events) == expected


def test_what_comes_back_in_parts_is_gone_with_the_last() -> None:
    """A purchase stays bought until all of it is back, in parts that are no whole numbers, too."""
    bought = said("p", "purchase", 1, item="a", quantity=0.8)
    first = said("r", "return", 2, of="p", quantity=0.7)
    last = said("s", "return", 3, item="a", quantity=0.1)
    assert gone(bought, first) == set()
    assert gone(bought, last) == set()
    assert gone(bought, first, last) == {"p"}


def test_a_return_at_the_till_takes_back_what_the_app_bought() -> None:
    """A return under one identifier reaches a purchase under another, until they are parted."""
    bought = said("p", "purchase", 1, item="a", who=1)
    back = said("r", "return", 2, of="p", who=2)
    assert gone(bought, back) == {"p"}
    assert seen(bought, back).lanes.keys() == {"returned"}
    assert seen(bought).lanes.keys() == {"purchase"}


def test_a_declared_type_is_taken_back_as_the_one_it_is_like() -> None:
    """A declared type like `redeem` is returned by its offer, one like `return` takes back."""
    types = {
        **EVENT_TYPES,
        "scanned": EVENT_TYPES["redeem"],
        "refund": EVENT_TYPES["return"],
    }
    events = [said("c", "scanned", 1, offer="coupon"), said("r", "refund", 2, offer="coupon")]
    view = view_of([fold(EMPTY, events, types)])
    assert view.rule_history.taken_back == {event_key("c") >> 32}
