"""A link is taken back: it is as if it had never been, at any crash and in any interleaving."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from itertools import combinations_with_replacement, count
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.errors import StoreUnavailable
from models.profile import Compartment, Link, Unlink, fold
from service.store import Recorded, Store
from service.store.backend import Backend
from service.store.unlinking import Unlinked
from tests.proof import Proof
from tests.said import NOW, event, identifier
from tests.test_linking import Interrupted, backend, crash, store_over

__all__ = ["backend"]

pytestmark = pytest.mark.machine

LOW, MIDDLE, HIGH, TOP = (identifier(number) for number in range(1, 5))
PEOPLE = (LOW, MIDDLE, HIGH, TOP)
WRITES = 6  # at most, of one unlink


class Model:
    """Who is who, as a graph of links, and what was recorded: the plain reference."""

    def __init__(self, people: Sequence[bytes]) -> None:
        self.people = people
        self.pairs: dict[frozenset[bytes], Link] = {}
        self.parts = dict.fromkeys(people, Compartment())

    def link(self, a: bytes, b: bytes, by: str) -> bool:
        """Link two; return whether that changes anything."""
        pair = frozenset((a, b))
        if len(pair) == 1 or pair in self.pairs:
            return False
        self.pairs[pair] = Link(NOW, a, b, by)
        return True

    def unlink(self, a: bytes, b: bytes) -> Unlinked:
        """Take back the link of two; return what becomes of it."""
        changed = self.pairs.pop(frozenset((a, b)), None) is not None
        return Unlinked(changed, b in self.customer(a))

    def record(self, event_id: str, who: bytes) -> None:
        """Record an event."""
        self.parts[who] = fold(self.parts[who], [event(event_id, who)])

    def customer(self, who: bytes) -> set[bytes]:
        """Return everybody who is joined to one."""
        joined = {who}
        while more := {one for pair in self.pairs if pair & joined for one in pair} - joined:
            joined |= more
        return joined

    def differs(self, store: Store) -> str:
        """Say where a store tells otherwise, whatever its process knew before; "" if nowhere."""
        for who in self.people:
            read = store.read([who])
            profile = read.profile
            group = self.customer(who)
            links = sorted(link for pair, link in self.pairs.items() if pair <= group)
            known = bool(links) or self.parts[who] != Compartment()
            parts = {one: profile.compartments.get(one, Compartment()) for one in group}
            if read.known is not known:
                return f"{who!r}: known is {read.known}"
            if known and not (
                profile.customer in group
                and sorted(profile.links) == links
                and parts == {one: self.parts[one] for one in group}
                and profile.compartments.keys() <= group
                and not profile.unsettled
            ):
                return f"{who!r}: {profile}"
        return ""

    def check(self, store: Store) -> None:
        """Hold a store against it."""
        assert not self.differs(store)


Step = tuple[str, int, int]
_STEP = st.tuples(
    st.sampled_from(["link", "link", "unlink", "event"]), st.integers(0, 4), st.integers(0, 4)
)
_STEPS = st.lists(_STEP, max_size=16)
_numbers = count(1)


def told(store: Store, people: Sequence[bytes], step: Step, by: str) -> object:
    """Do a step in a store; return what it tells of it."""
    what, a, b = step[0], people[step[1]], people[step[2]]
    if what == "link":
        return store.link(a, b, by, NOW).changed
    if what == "unlink":
        return store.unlink(a, b, by, NOW) if a != b else None
    return store.record([event(by, a)], NOW) == [Recorded.STORED]


def modelled(model: Model, step: Step, by: str) -> object:
    """Do the same in a model; return what the store must have told."""
    what, a, b = step[0], model.people[step[1]], model.people[step[2]]
    if what == "link":
        return model.link(a, b, by)
    if what == "unlink":
        return model.unlink(a, b) if a != b else None
    model.record(by, a)
    return True


def strangers(order: Sequence[int]) -> list[bytes]:
    """Return as many people that nobody has heard of, their hashes in this order."""
    number = next(_numbers)
    return [identifier(10 * number + place) for place in order]


def walk(stores: Sequence[Store], steps: Iterable[Step], order: Sequence[int]) -> Model:
    """Do the same in stores over one database, by turns, and in the model; compare."""
    model = Model(strangers(order))
    for index, step in enumerate(steps):
        by = f"{step[0]}{index}"
        assert told(stores[index % len(stores)], model.people, step, by) == modelled(
            model, step, by
        )
    for store in stores:
        model.check(store)
    return model


@pytest.mark.parametrize("histories", [150, pytest.param(10_000, marks=pytest.mark.prove)])
def test_any_history_is_that_of_its_links(backend: Backend, proof: Proof, histories: int) -> None:
    """After links, unlinks and events in any order, each customer is what the links that hold say.

    Compartments, links, and who was never heard of, by two processes that cache where they found
    whom.
    """
    stores = [store_over(backend), store_over(backend)]

    @given(_STEPS, st.permutations(range(5)))
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


# Three who are one customer by two links, beside one of a smaller id.
COMPANY: list[Step] = [("event", 0, 0), ("link", 1, 2), ("link", 2, 3)]


@pytest.mark.parametrize("histories", [150, pytest.param(10_000, marks=pytest.mark.prove)])
def test_whatever_comes_between_two_writes_came_before_or_after(
    backend: Backend, proof: Proof, histories: int
) -> None:
    """A link or unlink that others come between is as if it had been made at one moment of them.

    What was told to each, and all that is kept, are those of one order of the steps, one by one.
    """
    other = store_over(backend)

    @given(
        _STEPS,
        st.permutations(range(5)),
        st.tuples(st.sampled_from(["link", "unlink"]), st.integers(0, 4), st.integers(0, 4)),
        st.integers(1, WRITES),
        st.lists(_STEP, min_size=1, max_size=3),
    )
    @settings(max_examples=histories)
    @example(COMPANY, range(5), ("link", 0, 2), 2, [("link", 1, 3)])
    @example(COMPANY, range(5), ("link", 0, 2), 2, [("unlink", 2, 3)])
    @example(COMPANY, range(5), ("link", 0, 2), 2, [("unlink", 1, 2)])
    def run(
        before: Sequence[Step],
        order: Sequence[int],
        step: Step,
        at: int,
        between: Sequence[Step],
    ) -> None:
        start = walk([other], before, order)
        answers: list[object] = []

        def come_between() -> None:
            for index, one in enumerate(between):
                answers.append(told(other, start.people, one, f"between{index}"))

        database = Interrupted(backend, at, True, come_between)
        answer = told(store_over(database), start.people, step, "interrupted")
        met = [(one, f"between{index}") for index, one in enumerate(between) if answers]
        possible = []
        # A link that was taken back before its call ended is made again by that call, as if sent
        # again: so it may have been made at two moments.
        for first, last in combinations_with_replacement(range(len(met) + 1), 2):
            if first < last and step[0] != "link":
                continue
            model = deepcopy(start)
            said: list[object] = []
            own: list[object] = []
            for place in range(len(met) + 1):
                if place in (first, last):
                    own.append(modelled(model, step, "interrupted"))
                if place < len(met):
                    said.append(modelled(model, *met[place]))
            if said == answers and answer == own[-1]:
                possible.append(model)
        fresh = store_over(backend)
        assert any(not model.differs(fresh) for model in possible)

    run()
    proof(
        "E1 links can be undone",
        f"{histories:,} links and unlinks that others come between, {type(backend).__name__}",
        "each is as if made at one moment",
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
        assert cached.record([event("later", who)], NOW) == [Recorded.STORED]
        model.record("later", who)
    model.check(store_over(backend))


def event_of_low(store: Store, model: Model) -> None:
    """Let an event of who stays arrive."""
    assert store.record([event("x", LOW)], NOW) == [Recorded.STORED]
    model.record("x", LOW)


def event_of_high(store: Store, model: Model) -> None:
    """Let an event of who leaves arrive."""
    assert store.record([event("x", HIGH)], NOW) == [Recorded.STORED]
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
            assert store.record(batch, NOW) == [Recorded.STORED] * 2

    with ThreadPoolExecutor(6) as pool:
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
    assert store.unlink(HIGH, LOW, "agent", NOW + 1) == Unlinked(True, False)
    assert store.unlink(HIGH, LOW, "agent", NOW + 2) == Unlinked(False, False)
    said = [entry.said for entry in store.log(None) if isinstance(entry.said, Unlink)]
    assert said == [Unlink(NOW + 1, HIGH, LOW, "agent")]
