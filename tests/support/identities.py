"""Who is who: a plain model of links, unlinks and events, and steps done in a store and in it."""

from collections.abc import Iterable, Sequence
from itertools import count

from hypothesis import strategies as st

from models.domain.fold import fold
from models.domain.profile import Compartment, Link
from service.store.customers.planning import EventOutcome
from service.store.customers.unlinking import UnlinkOutcome
from service.store.store import Store
from tests.support.events import NOW, event, identifier


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

    def unlink(self, a: bytes, b: bytes) -> UnlinkOutcome:
        """Take back the link of two; return what becomes of it."""
        changed = self.pairs.pop(frozenset((a, b)), None) is not None
        return UnlinkOutcome(changed, b in self.customer(a))

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
STEP = st.tuples(
    st.sampled_from(["link", "link", "unlink", "event"]), st.integers(0, 4), st.integers(0, 4)
)
STEPS = st.lists(STEP, max_size=16)
_numbers = count(1)


def told(store: Store, people: Sequence[bytes], step: Step, by: str) -> object:
    """Do a step in a store; return what it tells of it."""
    what, a, b = step[0], people[step[1]], people[step[2]]
    if what == "link":
        return store.link(a, b, by, NOW).changed
    if what == "unlink":
        return store.unlink(a, b, by, NOW) if a != b else None
    return store.record([event(by, a)], NOW) == [EventOutcome.STORED]


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
