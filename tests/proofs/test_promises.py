"""What was promised until a date holds until that date, and not longer, whatever happens between.

Declines, purchases, returns, redemptions, grants, hard caps, look-backs and the holdout arm, amid
heavy traffic, links and unlinks, against a plain model that forgets nothing.
"""

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings

from models.decision.holdout import in_holdout
from models.domain.events import Event, event_key
from models.domain.exchange import Exchange
from models.domain.fold import fold, has_forgotten_ids, known_content
from models.domain.profile import Compartment, Profile
from models.domain.view import view_of
from models.policy.caps import ContactRules
from models.policy.conditions import Situation, counted
from models.policy.schema import HappenedLately
from models.policy.windows import zone_of
from service.store.store import Store
from tests.support.contacts import CATALOGUE, NOW
from tests.support.contacts import offer as offer_of
from tests.support.events import identifier
from tests.support.promises import (
    CAPS,
    HISTORIES,
    ITEMS,
    OFFERS,
    POLICY,
    Step,
    Story,
    World,
    capped,
    closed,
    looked_back,
    moments,
)
from tests.support.proof_table import LONG, Proof

History = tuple[list[Step], list[Step], random.Random]
Open = Callable[[str], Store]

PEOPLE = [identifier(number) for number in range(3)]
UNBOUNDED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


class Folded:
    """The compartments of all identifiers, folded in batches as they arrive."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._compartments: dict[bytes, Compartment] = {}

    def record(self, events: Sequence[Event]) -> None:
        """Fold what is new, as a store does."""
        new: dict[bytes, list[Event]] = {}
        for one in events:
            compartment = self._compartments.get(one.identifier, Compartment())
            known = known_content(compartment, event_key(one.event_id)) is not None
            if not known and has_forgotten_ids(compartment):
                known = self._world.knows(one)
            if not known:
                new.setdefault(one.identifier, []).append(one)
        for who, added in new.items():
            before = self._compartments.get(who, Compartment())
            self._compartments[who] = fold(before, added)

    def link(self, pair: frozenset[bytes]) -> None:
        """Make the identifiers known."""
        for who in pair:
            self._compartments.setdefault(who, Compartment())

    def unlink(self, pair: frozenset[bytes]) -> None:
        """Nothing: compartments go with their identifiers."""

    def profile(self, who: bytes) -> Profile:
        """Return the customer of an identifier."""
        mine = self._world.joined(who) & self._compartments.keys()
        return Profile(
            customer=who,
            compartments={one: self._compartments[one] for one in sorted(mine)},
            arrivals={one: self._world.arrivals[one] for one in mine},
        )


class Stored:
    """The same through a store."""

    def __init__(self, store: Store, world: World) -> None:
        self._store = store
        self._world = world

    def record(self, events: Sequence[Event]) -> None:
        """Record, which arrives a little later than all before."""
        if events:
            self._store.record(events, NOW + self._world.arrival)

    def link(self, pair: frozenset[bytes]) -> None:
        """Link two identifiers."""
        self._store.link(min(pair), max(pair), "login", NOW + self._world.arrival)

    def unlink(self, pair: frozenset[bytes]) -> None:
        """Take that back."""
        self._store.unlink(min(pair), max(pair), "agent", NOW + self._world.arrival)

    def profile(self, who: bytes) -> Profile:
        """Return the customer of an identifier."""
        return self._store.read([who]).profile


def lived(
    history: History, people: Sequence[bytes], kept_of: Callable[[World], Folded | Stored]
) -> int:
    """Live through a history, check every promise at its end; return how many were checked."""
    acts, traffic, chance = history
    steps = [*acts, *traffic]
    chance.shuffle(steps)
    story = Story(people)
    world = story.world
    kept = kept_of(world)
    for step in steps:
        world.arrival += 1
        pair = frozenset((people[step.who], people[(step.who + 1) % 3]))
        if step.kind == "link":
            kept.link(pair)
            if pair not in world.links:
                for who in pair:
                    world.know(who)
                world.links.append(pair)
        elif step.kind == "unlink":
            kept.unlink(pair)
            world.links = [one for one in world.links if one != pair]
        else:
            events = story.events(step)
            kept.record(events)
            world.record(events)
    what = steps[0].what if steps else 0
    customers = {min(world.joined(who)) for who in people}
    return sum(checked(world, kept, who, now) for who in customers for now in moments(world, what))


def checked(world: World, kept: Folded | Stored, who: bytes, now: int) -> int:
    """Hold every promise to one customer at one moment against the plain model."""
    profile = kept.profile(who)
    view = view_of(profile.compartments.values())
    rules = ContactRules(view, POLICY, now, "default", (), CATALOGUE)
    events = world.standing(who)
    assert rules.closed().keys() == closed(events, now)
    for channel in ("web", "email"):
        for name in OFFERS:
            reached = any(capped(events, cap, now, channel, name) for cap in CAPS)
            assert (rules.withheld(offer_of(name), channel) is not None) == reached
    situation = Situation(view, "", now, zone_of(view, POLICY.contact), Exchange(""))
    for type_ in ("purchase", "dismiss", "impression"):
        for item in ITEMS:
            condition = HappenedLately(type=type_, days=35, items=(item,))
            assert counted(condition, situation) == looked_back(events, type_, now)[item]
    assert view.granted() == {one.offer for one in events if one.type == "granted"}
    if profile.compartments:
        assert profile.seed == world.seed(who)
        assert in_holdout(POLICY, profile.seed) == in_holdout(POLICY, world.seed(who))
    assert not rules.bounded
    return 1


@pytest.mark.parametrize("histories", [40, pytest.param(10_000, marks=LONG)])
def test_promises_hold_on_the_fold(proof: Proof, histories: int) -> None:
    """Whatever arrives in whatever order, each promise holds to its last moment, and no longer."""
    counts = [0, 0]

    @settings(max_examples=histories, deadline=None, suppress_health_check=UNBOUNDED, database=None)
    @given(history=HISTORIES)
    def hold(history: History) -> None:
        counts[0] += 1
        counts[1] += lived(history, PEOPLE, Folded)

    hold()
    proof(
        "promises with a term hold to its last moment",
        f"{counts[0]:,} histories of up to 25 acts and 3,000 events of traffic, links and unlinks",
        f"{counts[1]:,} times every decline, purchase, return, redemption, grant, cap, look-back "
        "and arm as a model says that forgets nothing",
    )


@pytest.mark.machine
@pytest.mark.parametrize("histories", [10, pytest.param(200, marks=LONG)])
def test_promises_hold_through_a_store(
    store_url: str, opened: Open, proof: Proof, histories: int
) -> None:
    """The same through each store, where links and unlinks move what is kept."""
    store = opened(store_url)
    counts = [0, 0]

    @settings(max_examples=histories, deadline=None, suppress_health_check=UNBOUNDED, database=None)
    @given(history=HISTORIES)
    def hold(history: History) -> None:
        counts[0] += 1
        people = [identifier(3 * counts[0] + number) for number in range(3)]
        counts[1] += lived(history, people, lambda world: Stored(store, world))

    hold()
    proof(
        "promises with a term hold to its last moment",
        f"{counts[0]:,} such histories through {store_url.partition(':')[0]}",
        f"{counts[1]:,} times all as the model says",
    )
