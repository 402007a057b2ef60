"""A link is taken back: it is as if it had never been, at any crash and in any interleaving."""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.domain.fold import SEEN_CAPACITY
from models.domain.profile import Unlink
from models.errors import StoreUnavailable
from service.store.customers.planning import EventOutcome
from service.store.customers.unlinking import UnlinkOutcome
from service.store.database.backend import Backend
from service.store.store import Store
from tests.support.backends import Interrupted, crash, store_over
from tests.support.events import NOW, all_stored, event, identifier
from tests.support.identities import STEPS, Model, Step, walk
from tests.support.proof_table import Proof
from tests.support.waiting import Pool

pytestmark = pytest.mark.machine

LOW, MIDDLE, HIGH, TOP = (identifier(number) for number in range(1, 5))
PEOPLE = (LOW, MIDDLE, HIGH, TOP)
WRITES = 6  # at most, of one unlink


@pytest.mark.parametrize("histories", [150, pytest.param(10_000, marks=pytest.mark.prove)])
def test_any_history_is_that_of_its_links(backend: Backend, proof: Proof, histories: int) -> None:
    """After links, unlinks and events in any order, each customer is what the links that hold say.

    Compartments, links, and who was never heard of, by two processes that cache where they found
    whom.
    """
    stores = [store_over(backend), store_over(backend)]

    @given(STEPS, st.permutations(range(5)))
    @settings(max_examples=histories)
    @example([("link", 1, 0), ("link", 0, 2), ("unlink", 0, 2)], (1, 2, 0, 3, 4))
    @example([("link", 0, 1), ("link", 1, 2), ("link", 0, 2), ("unlink", 0, 2)], range(5))
    def run(steps: Sequence[Step], order: Sequence[int]) -> None:
        walk(stores, steps, order)

    run()
    proof(
        "E1 links can be undone",
        f"{histories:,} histories of links, unlinks and events, {type(backend).__name__}",
        "each customer is what the links that hold say",
    )


def made(store: Store, links: Iterable[tuple[bytes, bytes]], known: Iterable[bytes]) -> Model:
    """Record an event of each who is known, then link; return the model of it."""
    model = Model(PEOPLE)
    for who in known:
        store.record([event("e", who)], NOW)
        model.record("e", who)
    for a, b in links:
        store.link(a, b, "login", NOW)
        model.link(a, b, "login")
    return model


# The link that is taken back comes last: a pair; a chain; who leaves has company, and forwards of
# who stays lead through who leaves; a ring, of which nobody leaves.
SHAPES = {
    "pair": [(LOW, HIGH)],
    "chain": [(HIGH, TOP), (MIDDLE, HIGH), (LOW, MIDDLE)],
    "through": [(HIGH, TOP), (LOW, TOP), (LOW, HIGH)],
    "ring": [(LOW, MIDDLE), (MIDDLE, HIGH), (HIGH, LOW)],
}
SOMEBODY = [(), (LOW,), PEOPLE]


@pytest.mark.parametrize("known", SOMEBODY, ids=len)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, WRITES + 1))
def test_a_crash_at_any_write_is_finished_by_the_next_reader(
    backend: Backend, known: tuple[bytes, ...], shape: str, before: bool, at: int
) -> None:
    """Cut off before or after each write, an unlink is whole for the next reader or never was."""
    cached = store_over(backend)
    model = made(cached, SHAPES[shape], known)
    model.check(cached)
    a, b = SHAPES[shape][-1]
    database = Interrupted(backend, at, before, crash)
    try:
        store_over(database).unlink(a, b, "agent", NOW)
    except StoreUnavailable:
        assert database.writes == at
    begun = at > 1 or not before
    expected = model.unlink(a, b) if begun else None
    model.check(cached)
    model.check(store_over(backend))
    again = cached.unlink(b, a, "agent", NOW)
    assert again == (expected._replace(changed=False) if expected else model.unlink(a, b))
    for who in PEOPLE:
        assert all_stored(cached.record([event("later", who)], NOW))
        model.record("later", who)
    model.check(store_over(backend))


def event_of_low(store: Store, model: Model) -> None:
    """Let an event of who stays arrive."""
    assert all_stored(store.record([event("x", LOW)], NOW))
    model.record("x", LOW)


def event_of_high(store: Store, model: Model) -> None:
    """Let an event of who leaves arrive."""
    assert all_stored(store.record([event("x", HIGH)], NOW))
    model.record("x", HIGH)


def link_of_high(store: Store, model: Model) -> None:
    """Link who leaves to another."""
    store.link(HIGH, MIDDLE, "call", NOW)
    model.link(HIGH, MIDDLE, "call")


def link_of_low(store: Store, model: Model) -> None:
    """Link who stays to another."""
    store.link(TOP, LOW, "call", NOW)
    model.link(TOP, LOW, "call")


def unlink_of_company(store: Store, model: Model) -> None:
    """Part what leaves once more."""
    store.unlink(HIGH, TOP, "call", NOW)
    model.unlink(HIGH, TOP)


MEANWHILE = [event_of_low, event_of_high, link_of_high, link_of_low, unlink_of_company]


@pytest.mark.parametrize("meanwhile", MEANWHILE, ids=lambda one: one.__name__)
@pytest.mark.parametrize("known", [(), PEOPLE], ids=len)
@pytest.mark.parametrize("shape", ["pair", "through"])
@pytest.mark.parametrize("at", range(1, WRITES + 1))
def test_whatever_happens_between_two_writes(
    backend: Backend,
    meanwhile: Callable[[Store, Model], Any],
    known: tuple[bytes, ...],
    shape: str,
    at: int,
) -> None:
    """Events, links and unlinks that come between the writes of an unlink are kept, and it too."""
    other = store_over(backend)
    model = made(other, SHAPES[shape], known)
    a, b = SHAPES[shape][-1]
    database = Interrupted(backend, at, True, lambda: meanwhile(other, model))
    unlinking = store_over(database)
    assert unlinking.unlink(a, b, "agent", NOW).changed
    model.unlink(a, b)
    for store in (unlinking, other, store_over(backend)):
        model.check(store)


def test_links_unlinks_and_events_from_many_threads(backend: Backend) -> None:
    """Whatever crosses, no event is lost or counted twice, and the last word on each pair holds."""
    people = [identifier(number) for number in range(1, 7)]
    pairs = [(a, b) for a in people for b in people if a < b]
    stores = [store_over(backend), store_over(backend)]

    def run(worker: int) -> None:
        chance = Random(worker)
        store = stores[worker % 2]
        for number in range(25):
            a, b = chance.sample(people, 2)
            if chance.random() < 0.5:
                store.link(a, b, "login", NOW)
            else:
                store.unlink(a, b, "agent", NOW)
            batch = [event(f"{worker}-{number}", who, number) for who in (a, b)]
            assert all_stored(store.record(batch, NOW))

    with Pool(6) as pool:
        list(pool.map(run, range(6)))
    last = stores[0]
    for a, b in pairs:
        last.unlink(a, b, "agent", NOW)
    total = 0
    for who in people:
        profile = store_over(backend).read([who]).profile
        assert (profile.customer, profile.links, set(profile.compartments)) == (who, (), {who})
        total += sum(profile.compartments[who].counts.values())
    assert total == 6 * 25 * 2


def test_the_version_grows_whatever_key_it_is_under(backend: Backend) -> None:
    """Who asks by an identifier sees its profile's version grow when it is joined and parted."""
    store = store_over(backend)
    versions = []
    for number in range(4):
        for more in range(5):
            store.record([event(f"{number}-{more}", HIGH)], NOW)
        store.record([event(f"{number}", LOW)], NOW)
        versions.append(store.read([HIGH]).profile.version)
        store.link(LOW, HIGH, "login", NOW)
        versions.append(store.read([HIGH]).profile.version)
        store.unlink(LOW, HIGH, "agent", NOW)
        versions.append(store.read([HIGH]).profile.version)
    assert versions == sorted(set(versions))


# What is done after what, between which everybody has an event: a pair parted; who stays was with
# who leaves before; parted, then joined and parted elsewhere.
LIVES: dict[str, list[tuple[str, bytes, bytes]]] = {
    "parted": [("link", LOW, HIGH), ("unlink", LOW, HIGH)],
    "stays": [("link", MIDDLE, HIGH), ("link", LOW, HIGH), ("unlink", MIDDLE, HIGH)],
    "twice": [
        ("link", LOW, HIGH),
        ("unlink", LOW, HIGH),
        ("link", MIDDLE, HIGH),
        ("unlink", MIDDLE, HIGH),
    ],
}


@pytest.mark.parametrize("life", LIVES)
def test_an_event_sent_again_is_known_wherever_it_was_logged(backend: Backend, life: str) -> None:
    """What a profile no longer remembers is found in the log of whoever it was logged with."""
    store = store_over(backend)
    old = []
    for number, (what, a, b) in enumerate(LIVES[life]):
        (store.link if what == "link" else store.unlink)(a, b, "agent", NOW)
        events = [event(f"old{number}", who, number) for who in PEOPLE]
        assert all_stored(store.record(events, NOW))
        old += events
    for who in PEOPLE:
        store.record([event(f"{at}", who, at) for at in range(100, 101 + SEEN_CAPACITY)], NOW)
    assert store.record(old, NOW) == [EventOutcome.DUPLICATE] * len(old)


def test_who_was_never_known_is_passed_over_again(backend: Backend) -> None:
    """An identifier that is only known by a link taken back hides nobody named after it."""
    store = store_over(backend)
    store.record([event("e", HIGH)], NOW)
    store.link(LOW, MIDDLE, "login", NOW)
    store.unlink(LOW, MIDDLE, "agent", NOW)
    read = store.read([LOW, HIGH])
    assert (read.known, read.profile.customer) == (True, HIGH)
    nobody = store.read([LOW])
    assert not nobody.known
    assert nobody.profile.version == store.read([LOW]).profile.version > 0


def test_unlinks_are_in_the_log(backend: Backend) -> None:
    """An unlink is logged once, and what is not there is no unlink."""
    store = store_over(backend)
    store.link(LOW, HIGH, "login", NOW)
    assert store.unlink(HIGH, LOW, "agent", NOW + 1) == UnlinkOutcome(True, False)
    assert store.unlink(HIGH, LOW, "agent", NOW + 2) == UnlinkOutcome(False, False)
    said = [entry.statement for entry in store.log(None) if isinstance(entry.statement, Unlink)]
    assert said == [Unlink(NOW + 1, HIGH, LOW, "agent")]
