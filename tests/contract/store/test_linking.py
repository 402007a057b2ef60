"""Two customers become one: at any crash, in any interleaving, nothing is lost or doubled."""

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import pytest

from models.domain.profile import Forward, Link, Profile, decode_customer
from models.errors import StoreUnavailable
from service.store.customers.linking import link
from service.store.customers.planning import Arrival
from service.store.database.backend import Backend
from service.store.store import Store
from tests.support.backends import Interrupted, crash, store_over
from tests.support.events import NOW, all_stored, event, identifier, logged
from tests.support.waiting import Pool

pytestmark = pytest.mark.machine

LOW, MIDDLE, HIGH = PEOPLE = identifier(1), identifier(2), identifier(3)


class World(NamedTuple):
    """What is expected: how many events each identifier has, and who is one customer."""

    events: dict[bytes, int]
    customers: list[set[bytes]]


def check(backend: Backend, world: World) -> None:
    """Hold the store, read by a new process, against what is expected."""
    store = store_over(backend)
    for group in world.customers:
        found = {who: store.read([who]).profile for who in sorted(group)}
        profile = found[min(group)]
        assert all(other == profile for other in found.values())
        assert set(profile.compartments) == group
        assert not profile.unsettled
        for who in group:
            counts = profile.compartments[who].counts
            assert sum(counts.values()) == world.events.get(who, 0)
        for who in group - {profile.customer}:
            blob = backend.get(who)
            assert blob is not None
            assert isinstance(decode_customer(blob), Forward)
        links = sum(entry.statement in profile.links for entry in store.log(None))
        assert links == len(profile.links) == len({one.pair for one in profile.links})
        assert links >= len(group) - 1
    assert set(logged(store).values()) <= {1}
    assert sum(logged(store).values()) == sum(world.events.values())


# Who has events before the link, and so is known.
KNOWN: list[tuple[bytes, ...]] = [(LOW, HIGH), (LOW,), (HIGH,), ()]
ENDS = [(LOW, HIGH), (HIGH, LOW)]


@pytest.mark.parametrize("known", KNOWN, ids=len)
@pytest.mark.parametrize("ends", ENDS)
def test_two_become_one(
    backend: Backend, known: tuple[bytes, ...], ends: tuple[bytes, bytes]
) -> None:
    """A link makes one customer of two, known or not; made again, it changes nothing."""
    store = store_over(backend)
    store.record([event("e1", who) for who in known], NOW)
    linked = store.link(*ends, "login", NOW)
    assert linked.changed
    assert linked.customer == (known[0] if known else LOW)
    assert linked.version == store.read([HIGH]).profile.version
    assert store.read([LOW]).profile.links == (Link(NOW, *ends, "login"),)
    world = World(dict.fromkeys(known, 1), [{LOW, HIGH}])
    check(backend, world)
    again = store.link(*ends, "call", NOW + 1)
    assert again == linked._replace(changed=False)
    check(backend, world)


def test_a_known_customer_keeps_its_id(backend: Backend) -> None:
    """An identifier that nobody had joins a customer, even when its own hash is smaller."""
    store = store_over(backend)
    store.record([event("e1", HIGH)], NOW)
    assert store.link(LOW, HIGH, "login", NOW).customer == HIGH
    assert all_stored(store.record([event("e1", LOW)], NOW))
    check(backend, World({LOW: 1, HIGH: 1}, [{LOW, HIGH}]))


def test_chains_of_links_end_at_one_customer(backend: Backend) -> None:
    """Customers of several identifiers are joined whole, whatever a process cached before.

    A link inside a customer is kept once.
    """
    first, second = store_over(backend), store_over(backend)
    people = [identifier(number) for number in range(1, 9)]
    first.record([event("e1", who) for who in people], NOW)
    for a, b in ((7, 6), (5, 4), (6, 5), (3, 2), (1, 2), (0, 3), (7, 0)):
        assert first.link(people[a], people[b], "login", NOW + a).changed
        for who in people:
            assert first.read([who]).profile == second.read([who]).profile
    assert first.link(people[4], people[2], "login", NOW).changed
    assert not first.link(people[2], people[4], "call", NOW).changed
    second.record([event("e2", who) for who in people], NOW)
    check(backend, World(dict.fromkeys(people, 2), [set(people)]))


@pytest.mark.parametrize("known", KNOWN, ids=len)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_crash_at_any_write_is_finished_by_the_next_reader(
    backend: Backend, known: tuple[bytes, ...], before: bool, at: int
) -> None:
    """Cut off before or after each write, a link is whole for the next reader or never was."""
    store_over(backend).record([event("e1", who) for who in known], NOW)
    linking = store_over(Interrupted(backend, at, before, crash))
    with pytest.raises(StoreUnavailable, match="crash"):
        linking.link(HIGH, LOW, "login", NOW)

    other = store_over(backend)
    begun = at > 1 or not before
    profile = other.read([known[0] if known else LOW]).profile
    assert set(profile.compartments) == ({LOW, HIGH} if begun else set(known[:1]))
    assert all_stored(other.record([event("e2", LOW), event("e2", HIGH)], NOW))
    assert other.link(HIGH, LOW, "login", NOW).changed is not begun
    check(backend, World({who: 2 if who in known else 1 for who in (LOW, HIGH)}, [{LOW, HIGH}]))


def event_of_low(store: Store) -> World:
    """Let an event of the one with the smaller id arrive."""
    assert all_stored(store.record([event("x", LOW)], NOW))
    return World({LOW: 1}, [{LOW, HIGH}])


def event_of_high(store: Store) -> World:
    """Let an event of the one with the greater id arrive."""
    assert all_stored(store.record([event("x", HIGH)], NOW))
    return World({HIGH: 1}, [{LOW, HIGH}])


def link_of_low(store: Store) -> World:
    """Link the one with the smaller id to a third."""
    store.link(MIDDLE, LOW, "call", NOW)
    return World({}, [{LOW, MIDDLE, HIGH}])


def link_of_high(store: Store) -> World:
    """Link the one with the greater id to a third."""
    store.link(HIGH, MIDDLE, "call", NOW)
    return World({}, [{LOW, MIDDLE, HIGH}])


def the_same_link(store: Store) -> World:
    """Make the same link, from the other end."""
    store.link(LOW, HIGH, "call", NOW)
    return World({}, [{LOW, HIGH}])


MEANWHILE = [
    event_of_low,
    event_of_high,
    link_of_low,
    link_of_high,
    the_same_link,
]


PEOPLE = (LOW, MIDDLE, HIGH)
SOME = [known for size in range(4) for known in itertools.combinations(PEOPLE, size)]


@pytest.mark.parametrize("meanwhile", MEANWHILE, ids=lambda one: one.__name__)
@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("known", SOME, ids=lambda known: "".join(str(who[-1]) for who in known))
def test_whatever_happens_between_two_writes(
    backend: Backend, meanwhile: Callable[[Store], World], at: int, known: tuple[bytes, ...]
) -> None:
    """Events and other links that come between the writes of a link are kept, and the link too."""
    other = store_over(backend)
    other.record([event("e1", who) for who in known], NOW)
    worlds: list[World] = []
    interrupted = Interrupted(backend, at, True, lambda: worlds.append(meanwhile(other)))
    linked = store_over(interrupted).link(LOW, HIGH, "login", NOW)
    assert linked.customer == other.read([LOW]).profile.customer
    (world,) = worlds
    events = {who: world.events.get(who, 0) + (who in known) for who in PEOPLE}
    check(backend, World(events, world.customers))


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("known", [(), (LOW,), (LOW, HIGH), (LOW, MIDDLE, HIGH)], ids=len)
def test_who_is_absorbed_may_be_absorbing(
    backend: Backend, at: int, known: tuple[bytes, ...]
) -> None:
    """A link that was cut off at the absorbed customer is finished before that is taken over."""
    top = identifier(4)
    store_over(backend).record([event("e1", who) for who in known], NOW)

    def half_link() -> None:
        other = store_over(Interrupted(backend, 2, True, crash))
        with pytest.raises(StoreUnavailable, match="crash"):
            other.link(HIGH, top, "call", NOW)

    assert store_over(Interrupted(backend, at, True, half_link)).link(LOW, HIGH, "login", NOW)
    events = dict.fromkeys(known, 1)
    groups = [{LOW, HIGH, top}, *([{MIDDLE}] if MIDDLE in known else [])]
    check(backend, World(events, groups))


def test_whoever_moved_between_two_reads_keeps_what_was_recorded(backend: Backend) -> None:
    """A link that read one customer before others moved its identifiers overwrites none of them."""
    other = store_over(backend)
    other.record([event("e1", who) for who in (LOW, MIDDLE, HIGH)], NOW)
    other.link(MIDDLE, HIGH, "login", NOW)
    reads: list[bytes] = []

    def profile_of(who: bytes) -> Profile | None:
        """Read as a link does, and between the first two reads live a little."""
        reads.append(who)
        if len(reads) == 2:
            other.link(LOW, HIGH, "login", NOW)
            other.unlink(MIDDLE, HIGH, "agent", NOW)
            assert all_stored(other.record([event("e2", HIGH)], NOW))
        return store_over(backend).read([who]).profile

    assertion = Link(NOW, HIGH, LOW, "late")
    link(backend, profile_of, assertion, lambda: NOW)
    assert len(reads) > 2
    check(backend, World({LOW: 1, HIGH: 2, MIDDLE: 1}, [{LOW, HIGH}, {MIDDLE}]))


class Between:
    """A database that does something else once, after several customers were read together."""

    def __init__(self, backend: Backend, what: Callable[[], None]) -> None:
        self._backend = backend
        self._what: Callable[[], None] | None = what

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def get_many(self, customers: Sequence[bytes]) -> list[bytes | None]:
        """Read, and then do it."""
        found = self._backend.get_many(customers)
        what, self._what = self._what, None
        if what is not None:
            what()
        return found


def test_who_was_parted_between_two_reads_is_written_where_they_are(backend: Backend) -> None:
    """Of two identifiers of one customer, read one after the other, one may be parted by then."""
    other = store_over(backend)
    other.record([event("e1", who) for who in PEOPLE], NOW)
    other.link(LOW, MIDDLE, "login", NOW)
    other.link(LOW, HIGH, "login", NOW)

    def part() -> None:
        other.unlink(LOW, MIDDLE, "agent", NOW)
        assert all_stored(other.record([event("e2", LOW)], NOW))

    store = store_over(cast(Backend, Between(backend, part)))
    store.read([MIDDLE])  # so that it knows where to look
    assert all_stored(store.record([event("e3", MIDDLE), event("e3", HIGH)], NOW))
    check(backend, World({LOW: 2, HIGH: 2, MIDDLE: 2}, [{LOW, HIGH}, {MIDDLE}]))


def test_links_and_events_from_many_threads(backend: Backend) -> None:
    """Links that cross, while events of all of them arrive, end in the customers they describe."""
    people = [identifier(number) for number in range(1, 11)]
    families = [set(people[:6]), set(people[6:])]
    stores = [store_over(backend), store_over(backend)]
    pairs = [pair for family in families for pair in itertools.permutations(sorted(family), 2)]

    def run(worker: int) -> int:
        chance = random.Random(worker)
        store = stores[worker % 2]
        changed = 0
        for number, (a, b) in enumerate(chance.sample(pairs, 12)):
            changed += store.link(a, b, f"worker{worker}", NOW + number).changed
            batch = [event(f"{worker}-{number}", who, number) for who in people]
            assert all_stored(store.record(batch, NOW))
        return changed

    with Pool(6) as pool:
        changed = sum(pool.map(run, range(6)))
    last = stores[0]
    for family in families:
        first, *others = sorted(family)
        changed += sum(last.link(other, first, "last", NOW).changed for other in others)
    assert changed == sum(len(last.read([min(family)]).profile.links) for family in families)
    check(backend, World(dict.fromkeys(people, 72), families))


def test_links_are_in_the_log_once(backend: Backend) -> None:
    """Loaded links are logged with their own time, and loading them again adds nothing."""
    store = store_over(backend)
    links = [Link(-1, LOW, HIGH, "crm"), Link(5, MIDDLE, HIGH, "crm"), Link(6, LOW, MIDDLE, "crm")]
    assert store.load([], links, Arrival(NOW, look_up=False)) == (3, 0, 0)
    assert store.load([], links, Arrival(NOW)) == (0, 3, 0)
    said = [entry.statement for entry in store.log(None)]
    assert sorted(one for one in said if isinstance(one, Link)) == links
    assert isinstance(decode_customer(backend.get(LOW) or b""), Profile)


def test_a_load_of_many_links_joins_families(backend: Backend) -> None:
    """Links that touch are made in their order, whatever is made beside them."""
    chance = random.Random(5)
    families = [[identifier(10 * family + member) for member in range(4)] for family in range(40)]
    links = [
        Link(family * 10 + number, members[0], other, "crm")
        for family, members in enumerate(families)
        for number, other in enumerate(members[1:])
    ]
    store = store_over(backend)
    chance.shuffle(links)
    half = len(links) // 2
    assert store.load([], links[:half], Arrival(NOW, look_up=False)) == (half, 0, 0)
    assert store.load([], links, Arrival(NOW, look_up=False)) == (len(links) - half, half, 0)
    for members in families:
        found = {store.read([who]).profile.customer for who in members}
        assert found == {min(members)}
    check(backend, World({}, [set(members) for members in families]))
