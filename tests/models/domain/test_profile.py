"""The fold: indifferent to order, idempotent through `recognise`, bounded, and one with merging."""

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.codec import encode
from models.domain.channels import CHANNELS
from models.domain.event_types import EVENT_TYPES
from models.domain.events import Event, content_hash, event_key, stamp_of
from models.domain.fold import (
    ATTRIBUTE_CAPACITY,
    BUCKET_CAPACITY,
    SEEN_CAPACITY,
    UNDATED_BUCKET,
    fold,
    has_forgotten_ids,
    known_content,
)
from models.domain.profile import LANE_CAPACITY, Compartment
from models.domain.view import view_of
from tests.support.events import EPOCH, event, identifier

ANN = identifier(1)
EMPTY = Compartment(facts={})
DAY = 86_400_000_000
LARGE = [HealthCheck.data_too_large, HealthCheck.too_slow, HealthCheck.large_base_example]

# Few distinct times, so that ties are common; some events have a sequence only, some nothing.
TIMES = st.one_of(st.none(), st.integers(0, 60).map(lambda step: EPOCH + step * 20 * DAY))


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Draw up to 150 events with ids of their own, in some order."""
    shortest = draw(st.sampled_from([0, 80]))  # the longer ones overflow what is remembered
    chosen = draw(
        st.lists(
            st.tuples(
                st.sampled_from(sorted(EVENT_TYPES)),
                st.sampled_from(CHANNELS[:3]),
                TIMES,
                st.integers(0, 5),
                st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x", "y"])),
            ),
            min_size=shortest,
            max_size=150,
        )
    )
    return [
        Event(
            event_id=f"e{number}",
            identifier=ANN,
            type=type_,
            channel=channel,
            time=time,
            sequence=None if time is not None or not item else item,
            item=f"item{item}",
            attributes=attributes if type_ == "attributes_changed" else {},
        )
        for number, (type_, channel, time, item, attributes) in enumerate(chosen)
    ]


@given(history=histories(), data=st.data())
@settings(max_examples=60, suppress_health_check=LARGE)
def test_order_and_batches_do_not_matter(history: list[Event], data: st.DataObject) -> None:
    """Any permutation in any batches gives the same compartment."""
    whole = fold(EMPTY, history)
    shuffled = data.draw(st.permutations(history))
    step = data.draw(st.integers(1, 40))
    parts = EMPTY
    for start in range(0, len(shuffled), step):
        parts = fold(parts, shuffled[start : start + step])
    assert parts == whole


def record_once(compartment: Compartment, events: Sequence[Event], log: set[str]) -> Compartment:
    """Fold each event unless its id is remembered or, where some were forgotten, in the log."""
    for one in events:
        known = known_content(compartment, event_key(one.event_id))
        if known is None and not (has_forgotten_ids(compartment) and one.event_id in log):
            assert one.event_id not in log
            compartment = fold(compartment, [one])
            log.add(one.event_id)
        else:
            assert one.event_id in log
            assert known in (None, content_hash(one))
    return compartment


@given(history=histories(), data=st.data())
@settings(max_examples=40, suppress_health_check=LARGE)
def test_repeated_events_change_nothing(history: list[Event], data: st.DataObject) -> None:
    """With duplicates anywhere in the stream the compartment is that of each event once."""
    again = data.draw(st.lists(st.sampled_from(history), max_size=60)) if history else []
    stream = data.draw(st.permutations(history + again))
    assert record_once(EMPTY, stream, set()) == fold(EMPTY, history)


@given(history=histories())
@settings(max_examples=40, suppress_health_check=LARGE)
def test_merging_is_folding_all(history: list[Event]) -> None:
    """A customer of several compartments is seen as if one had all the events."""
    parts = [fold(EMPTY, history[start::3]) for start in range(3)]
    merged, whole = view_of(parts), view_of([fold(EMPTY, history)])
    again = view_of(reversed(parts))
    for one in (merged, again):
        assert {lane: entries for lane, entries in one.lanes.items() if entries} == whole.lanes
        assert one.attributes == whole.attributes
        for lane in LANE_CAPACITY:
            assert one.rule_history.entries(lane) == merged.rule_history.entries(lane)
            assert {*whole.rule_history.entries(lane)} <= {*one.rule_history.entries(lane)}


@given(history=histories(), unsaved=histories())
@settings(max_examples=20, suppress_health_check=LARGE)
def test_unsaved_events_are_seen_as_saved(history: list[Event], unsaved: list[Event]) -> None:
    """Context that comes with a request changes the view as if it had been recorded."""
    renamed = [
        Event(
            event_id=f"now-{one.event_id}",
            identifier=ANN,
            type=one.type,
            channel=one.channel,
            time=one.time,
            item=one.item,
            attributes=one.attributes,
        )
        for one in unsaved
    ]
    seen = view_of([fold(EMPTY, history)], renamed)
    whole = view_of([fold(EMPTY, [*history, *renamed])])
    assert {lane: entries for lane, entries in seen.lanes.items() if entries} == whole.lanes
    assert seen.attributes == whole.attributes


@given(history=histories())
@settings(max_examples=40, suppress_health_check=LARGE)
def test_entries_are_the_latest_in_canonical_order(history: list[Event]) -> None:
    """A lane holds the last events of its types, and the undated come before all others."""
    compartment = fold(EMPTY, history)
    for lane, capacity in LANE_CAPACITY.items():
        expected = sorted(stamp_of(one) for one in history if EVENT_TYPES[one.type].lane == lane)
        entries = compartment.lanes.get(lane, ())
        assert [(entry.rank, entry.at, entry.key) for entry in entries] == [
            (stamp.rank, stamp.at, stamp.key >> 32) for stamp in expected[-capacity:]
        ]
        ranks = [entry.rank for entry in entries]
        assert ranks == sorted(ranks)


def test_everything_is_bounded() -> None:
    """Ten thousand events over forty years take no more room than the bounds allow."""
    compartment = EMPTY
    types = sorted(EVENT_TYPES)
    for number in range(0, 10_000, 500):
        compartment = fold(
            compartment,
            [
                Event(
                    event_id=f"e{at}",
                    identifier=ANN,
                    type=types[at % len(types)],
                    channel="web",
                    time=at * 1_460 * DAY // 1_000,
                    item=f"item{at}",
                    attributes={f"name{at}": "value"}
                    if at % len(types) == types.index("attributes_changed")
                    else {},
                )
                for at in range(number, number + 500)
            ],
        )
    assert {lane: len(entries) for lane, entries in compartment.lanes.items()} == LANE_CAPACITY
    assert len(compartment.attributes) == ATTRIBUTE_CAPACITY
    assert len({count.rsplit(" ", 1)[1] for count in compartment.counts}) == BUCKET_CAPACITY
    assert len(compartment.seen) == SEEN_CAPACITY * 21
    assert compartment.floor is not None
    assert len(encode(compartment)) < 280_000


def test_undated_events_count_in_one_bucket_for_ever() -> None:
    """What has no time never falls out of the counts, however many months follow."""
    undated = [event(f"u{number}", ANN, None, sequence=number) for number in range(5)]
    dated = [event(f"d{month}", ANN, month * 31 * 86_400) for month in range(60)]
    counts = fold(fold(EMPTY, undated), dated).counts
    assert counts[f"view web {UNDATED_BUCKET}"] == 5
    assert len(counts) == BUCKET_CAPACITY + 1


def test_event_ids_are_remembered_whatever_their_time() -> None:
    """An id is known by itself, with the content it came with; what is forgotten is said to be."""
    events = [event(f"e{at}", ANN, at) for at in range(SEEN_CAPACITY + 10)]
    few = fold(EMPTY, events[:SEEN_CAPACITY])
    for one in events[:SEEN_CAPACITY]:
        assert known_content(few, event_key(one.event_id)) == content_hash(one)
    later = event("e0", ANN, 1000)
    assert known_content(few, event_key(later.event_id)) != content_hash(later)
    assert known_content(few, event_key("old")) is None
    assert not has_forgotten_ids(few)
    many = fold(few, events[SEEN_CAPACITY:])
    assert has_forgotten_ids(many)
    assert {known_content(many, event_key(one.event_id)) for one in events[:10]} == {None}


def test_an_attribute_is_what_was_said_last() -> None:
    """The latest statement by the event's own time holds, and an empty one takes it away."""

    def said(name: str, time: int, value: str) -> Event:
        return Event(
            event_id=name,
            identifier=ANN,
            type="attributes_changed",
            channel="web",
            time=EPOCH + time,
            attributes={"region": value, "tier": "gold"},
        )

    compartment = fold(EMPTY, [said("a", 2, "north"), said("b", 1, "south")])
    assert view_of([compartment]).attributes == {"region": "north", "tier": "gold"}
    gone = fold(compartment, [said("c", 3, "")])
    assert view_of([gone]).attributes == {"tier": "gold"}
    assert view_of([fold(gone, [said("d", 2, "west")])]).attributes == {"tier": "gold"}
