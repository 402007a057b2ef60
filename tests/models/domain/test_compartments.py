"""Compartments decoded one by one: the same customer, and the same bytes, as when all are."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from models.codec import HEADER_BYTES, Damaged, decode, encode
from models.domain.compartments import Compartments, StoredCompartment, at_hand, joined, only
from models.domain.event_types import EVENT_TYPES
from models.domain.events import Event
from models.domain.fold import fold, has_forgotten_ids, known_content
from models.domain.profile import LARGE, Compartment, Link, Profile, decode_customer
from tests.support.events import EPOCH, NOW, SECOND, event, identifier

PEOPLE = [identifier(number) for number in range(6)]
TYPES = sorted(EVENT_TYPES)
SLOW = [HealthCheck.data_too_large, HealthCheck.too_slow]


def said(number: int, type_: str, at: int | None) -> Event:
    """Return an event of a type, some 100 bytes of it in a compartment."""
    return Event(
        event_id=f"e{number}",
        identifier=PEOPLE[0],
        type=type_,
        channel="web",
        time=None if at is None else EPOCH + at * SECOND,
        item=f"item{number:080d}",
        attributes={"region": f"r{number % 3}"} if type_ == "attributes_changed" else {},
    )


@st.composite
def parts(draw: st.DrawFn) -> Compartment:
    """Draw a compartment: empty, of one lane that overflows, of all lanes, or as stored before."""
    kind = draw(st.sampled_from(["empty", "overflowing", "mixed", "former"]))
    if kind == "empty":
        return Compartment()
    numbers, step = count(draw(st.integers(0, 50))), draw(st.integers(1, 5))
    types = ["view"] if kind == "overflowing" else TYPES
    many = [said(next(numbers), type_, n * step) for n in range(160) for type_ in types[:1]]
    few = [said(next(numbers), type_, None) for type_ in types for _ in range(30)]
    found = fold(Compartment(facts={}), [*many, *few])
    return replace(found, facts=None) if kind == "former" else found


@st.composite
def large_profiles(draw: st.DrawFn) -> Profile:
    """Draw a customer of some identifiers whose stored form is large."""
    held = draw(st.dictionaries(st.sampled_from(PEOPLE[1:]), parts(), max_size=4))
    whole = fold(Compartment(), [said(n, type_, n) for n in range(60) for type_ in TYPES])
    return Profile(
        customer=PEOPLE[0],
        version=draw(st.integers(1, 9)),
        compartments={PEOPLE[0]: whole, **held},
        links=tuple(Link(NOW, PEOPLE[0], who, "login") for who in held),
        arrivals=dict.fromkeys(held, NOW),
    )


def profile_of(data: bytes) -> Profile:
    """Return the profile stored as `data`, its compartments decoded when they are looked at."""
    assert len(data) >= LARGE
    profile = decode_customer(data)
    assert isinstance(profile, Profile)
    assert isinstance(profile.compartments, Compartments)
    return profile


def whole_of(data: bytes) -> Profile:
    """Return the same with all decoded."""
    return decode(data, Profile)


@given(profile=large_profiles(), data=st.data())
@settings(max_examples=40, suppress_health_check=SLOW, deadline=None)
def test_what_is_not_touched_stays_as_it_is_stored(profile: Profile, data: st.DataObject) -> None:
    """Read, changed, joined or cut, a customer is the same, to the byte, as with all decoded."""
    blob = encode(profile, profile.version)
    found, whole = profile_of(blob), whole_of(blob)
    assert encode(found, profile.version) == blob
    who = data.draw(st.sampled_from(PEOPLE))
    folded = {who: fold(whole.compartments.get(who, Compartment()), [event("new", who, 99)])}
    some = data.draw(st.sets(st.sampled_from(PEOPLE)))
    rest = {one: part for one, part in whole.compartments.items() if one in some}
    for lazily, plainly in (
        (joined(found.compartments, folded), {**whole.compartments, **folded}),
        (joined(folded, found.compartments), {**folded, **whole.compartments}),
        (only(found.compartments, some), rest),
        (joined(found.compartments, found.compartments), whole.compartments),
    ):
        changed = replace(found, compartments=lazily)
        assert encode(changed, 3) == encode(replace(whole, compartments=plainly), 3)
        assert lazily == plainly
        assert changed == replace(whole, compartments=plainly)
    assert found == whole
    assert encode(found, profile.version) == blob  # once all were looked at, too


@given(profile=large_profiles())
@settings(max_examples=20, suppress_health_check=SLOW, deadline=None)
def test_the_ids_are_at_hand(profile: Profile) -> None:
    """Which events a compartment remembers is known without decoding it."""
    found = profile_of(encode(profile, profile.version))
    for who, part in at_hand(found.compartments).items():
        assert isinstance(part, StoredCompartment)
        known = profile.compartments[who]
        assert (part.seen, part.floor) == (known.seen, known.floor)
        assert has_forgotten_ids(part) == has_forgotten_ids(known)
        assert known_content(part, 7) == known_content(known, 7)


def test_profiles_that_differ_in_one_compartment_differ() -> None:
    """A customer is not taken for another version of it, nor one stored form for another value."""
    whole = fold(Compartment(), [said(n, type_, n) for n in range(60) for type_ in TYPES])
    profile = Profile(customer=PEOPLE[0], compartments=dict.fromkeys(PEOPLE, whole))
    found = profile_of(encode(profile))
    again = profile_of(encode(profile))
    assert found == again
    more = joined(found.compartments, {PEOPLE[3]: fold(whole, [event("new", PEOPLE[3], 99)])})
    assert found != replace(again, compartments=more)
    assert found.compartments != only(again.compartments, PEOPLE[1:])
    assert found.compartments == dict.fromkeys(PEOPLE, whole)


@pytest.mark.parametrize("field", ["lanes", "counts", "attributes", "facts", "lost", "likes"])
def test_bytes_that_are_no_compartment_are_told_when_it_is_looked_at(field: str) -> None:
    """They are `Damaged` for whoever needs them, and nobody else's matter; they are not lost."""
    broken: Any = {field: {"browse": b"no such thing"}}
    fields = StoredCompartment.__struct_fields__
    stored = {name: getattr(StoredCompartment(), name) for name in fields} | broken
    whole = fold(Compartment(), [said(n, type_, n) for n in range(90) for type_ in TYPES])
    kept: dict[bytes, Any] = {PEOPLE[0]: whole, PEOPLE[1]: [*stored.values()]}
    blob = encode({"type": 1, "customer": PEOPLE[0], "compartments": kept})
    profile = profile_of(blob)
    assert profile.compartments[PEOPLE[0]] == whole
    with pytest.raises(Damaged):
        profile.compartments[PEOPLE[1]]
    after = profile_of(encode(replace(profile, version=2), 2))
    assert at_hand(after.compartments)[PEOPLE[1]] == at_hand(profile.compartments)[PEOPLE[1]]


def test_a_compartment_of_fewer_fields_is_decoded() -> None:
    """What an earlier version left out has its default, and is written out where it is written."""
    part = fold(Compartment(), [said(n, type_, n) for n in range(90) for type_ in TYPES])
    short: list[object] = [getattr(part, name) for name in Compartment.__struct_fields__[:5]]
    parts = {PEOPLE[0]: short, PEOPLE[1]: []}
    blob = encode({"type": 1, "customer": PEOPLE[0], "compartments": parts})
    expected = {PEOPLE[0]: replace(part, facts=None, likes={}), PEOPLE[1]: Compartment()}
    found = profile_of(blob)
    assert found.compartments == expected
    assert encode(found) == encode(whole_of(blob))


def test_a_value_that_cannot_be_stored_is_told() -> None:
    """Only what says its stored form is encoded where no type of msgspec is."""

    def numbers() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="generator: cannot be stored"):
        encode(numbers())
    assert msgspec.msgpack.decode(encode(Compartments({}, repr))[HEADER_BYTES:]) == {}
