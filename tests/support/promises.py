"""Histories of one or two people, and a plain model of what was promised them.

The model keeps every event for ever and answers each question by looking at all of them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import strategies as st
from msgspec.structs import replace

from models.clock_time import DAY
from models.domain.events import Event, stamp_of
from models.domain.selectors import Selector
from models.policy.schema import Cap, Contact, Holdout, Policy
from tests.support.contacts import MINUTE, NOW, Touch, naive_count

OFFERS = ("loan", "card", "news")
ITEMS = ("a", "b", "c")
ACTS = ("dismiss", "accept", "redeem", "purchase", "impression", "sent", "granted", "reserved")
TRAFFIC = {"view": 500, "click": 80, "impression": 60, "sent": 200, "add_to_cart": 300}
CHANNEL_OF = {"sent": "email", "reserved": "email", "redeem": "till", "purchase": "till"}
COOL = 30 * DAY
CAPS = (
    Cap(name="offer", limit=2, days=7, per="offer"),
    Cap(name="once", limit=1, days=30, per="offer", channels=("web",)),
    Cap(name="loans", limit=2, days=20, per="group", about=Selector(groups=("loans",))),
    Cap(name="mails", limit=3, days=2, channels=("email", "sms")),
)
POLICY = Policy(contact=Contact(caps=CAPS), holdout=Holdout(share=0.5, name="h"))


class Step(NamedTuple):
    """One thing that happens: an act of somebody, traffic, a link, an unlink, an id again."""

    kind: str
    who: int
    what: int
    age: int  # minutes before NOW
    many: int = 1


_acts = st.builds(
    Step,
    st.sampled_from((*ACTS, "return", "void", "link", "unlink", "again", "elsewhere")),
    st.integers(0, 2),
    st.integers(0, 60),
    st.integers(0, 40 * 24 * 60),
    st.just(1),
)
_traffic = st.builds(
    Step,
    st.sampled_from(tuple(TRAFFIC)),
    st.integers(0, 2),
    st.integers(0, 5),
    st.integers(0, 10 * 24 * 60),
    st.sampled_from((20, 150, 1_000)),
)
HISTORIES = st.tuples(st.lists(_acts, max_size=25), st.lists(_traffic, max_size=3), st.randoms())


@dataclass
class World:
    """All that was recorded, in full, in the order of arrival."""

    events: list[Event] = field(default_factory=list)
    links: list[frozenset[bytes]] = field(default_factory=list)
    arrivals: dict[bytes, int] = field(default_factory=dict)
    arrival: int = 0
    _known: set[tuple[bytes, str]] = field(default_factory=set)

    def knows(self, event: Event) -> bool:
        """Tell whether an identifier has an event of that id."""
        return (event.identifier, event.event_id) in self._known

    def record(self, events: Sequence[Event]) -> list[Event]:
        """Record events; return those that are new to their identifier."""
        new = []
        for one in events:
            if not self.knows(one):
                self._known.add((one.identifier, one.event_id))
                new.append(one)
                self.know(one.identifier)
        self.events += new
        return new

    def know(self, who: bytes) -> None:
        """Note that an identifier is known from now on, if it was not before."""
        self.arrivals.setdefault(who, self.arrival)

    def joined(self, who: bytes) -> set[bytes]:
        """Return all identifiers of one customer."""
        found = {who}
        while more := {one for pair in self.links if pair & found for one in pair} - found:
            found |= more
        return found

    def seed(self, who: bytes) -> bytes:
        """Return the identifier of a customer that was known first."""
        known = [one for one in self.joined(who) if one in self.arrivals]
        return min(known, key=lambda one: (self.arrivals[one], one), default=who)

    def standing(self, who: bytes) -> list[Event]:
        """Return the events of a customer, each once, without what was taken back."""
        mine = sorted(
            (one for one in self.events if one.identifier in self.joined(who)), key=_order
        )
        once = {one.event_id: one for one in reversed(mine)}
        events = sorted(once.values(), key=_order)
        gone: set[str] = set()
        # Each names an event that had arrived before it.
        arrived = {one.event_id: number for number, one in enumerate(reversed(self.events))}
        for one in sorted(events, key=lambda event: arrived[event.event_id]):
            if one.of_event and one.event_id not in gone:
                gone.add(one.of_event)
        taking = [one for one in events if one.type in ("return", "void")]
        for kind in ("purchase", "redeem"):
            for taken in taking:
                if taken.of_event or taken.event_id in gone:
                    continue
                before = [
                    one.event_id
                    for one in events
                    if one.type == kind
                    and (one.item == taken.item if taken.item else one.offer == taken.offer)
                    and (one.time or 0) <= (taken.time or 0)
                    and one.event_id not in gone
                ]
                gone |= {*before[-1:]}
        return [one for one in events if one.event_id not in gone]


def _order(event: Event) -> tuple[int, int, int]:
    stamp = stamp_of(event)
    return stamp.rank, stamp.at, stamp.key


def closed(events: Iterable[Event], now: int) -> set[str]:
    """Return the offers that cool-downs close."""
    found = set()
    for one in events:
        if one.time is None or now >= one.time + COOL:
            continue
        if one.type in ("dismiss", "accept", "redeem", "purchase") and one.offer:
            found.add(one.offer)
        if one.type == "purchase" and one.item:
            found.add(f"item:{one.item}")
    return found


def capped(events: Iterable[Event], cap: Cap, now: int, channel: str, offer: str) -> bool:
    """Tell whether a cap is reached for an offer on a channel."""
    if cap.channels and channel not in cap.channels:
        return False
    if cap.per == "group" and offer == "news":
        return False
    decisions = sorted({one.decision_id for one in events} - {""})
    messages = {name: number for number, name in enumerate(decisions, 1)}
    touches = [
        Touch(one.type, one.channel, one.offer, one.time, messages.get(one.decision_id, 0))
        for one in events
        if one.type in ("impression", "sent", "reserved")
        and (one.offer in ("", *OFFERS) or cap.per == "person")
    ]  # fmt: skip
    counted = [one if one.offer in ("", *OFFERS) else one._replace(offer="") for one in touches]
    return naive_count(counted, cap, POLICY.contact, now, channel, offer) >= cap.limit


def looked_back(events: Iterable[Event], type_: str, now: int) -> Counter[str]:
    """Return how often each item had an event of a type in the last 35 days."""
    since = now - 35 * DAY
    return Counter(one.item for one in events if one.type == type_ and (one.time or 0) > since)


def moments(world: World, what: int) -> list[int]:
    """Return now, and the last and the first moment of a promise that ends near it."""
    found = [NOW]
    terms = [COOL, *(round((cap.days or 0) * DAY) for cap in CAPS)]
    timed = [one.time for one in world.events if one.time is not None]
    if timed:
        end = timed[what % len(timed)] + terms[what % len(terms)]
        found += [end - 1, end]
    return found


class Story:
    """What steps come to: batches of events, links and unlinks, in their order of arrival."""

    def __init__(self, people: Sequence[bytes]) -> None:
        self.world = World()
        self._people = people
        self._number = 0

    def events(self, step: Step) -> list[Event]:
        """Return the events of a step; none of a link or unlink."""
        who, time = self._people[step.who], NOW - step.age * MINUTE
        self._number += 1
        name = f"{step.kind}-{self._number}"
        if step.kind in ("again", "elsewhere"):
            return self._again(step, who, time)
        event = Event(
            event_id=name,
            identifier=who,
            type=step.kind,
            channel=CHANNEL_OF.get(step.kind, "web"),
            time=time,
        )
        if step.many > 1:
            return [
                replace(
                    event,
                    event_id=f"{name}-{at}",
                    time=time - at * 1_000_000,
                    item=f"t{at % TRAFFIC[step.kind]}",
                    offer=f"t{at % TRAFFIC[step.kind]}" if step.kind == "impression" else "",
                    decision_id=f"{name}-{at}" if step.kind == "sent" else "",
                )
                for at in range(min(step.many, 150) if step.kind == "sent" else step.many)
            ]
        offer, item = OFFERS[step.what % 3], ITEMS[step.what // 3 % 3]
        if step.kind in ("return", "void"):
            return [self._taken_back(step, event, item, offer)]
        if step.kind == "purchase":
            return [replace(event, item=item, offer=offer if step.what % 2 else "")]
        if step.kind in ("sent", "reserved", "impression", "granted"):
            return [replace(event, offer=offer, decision_id=f"d{step.what}")]
        return [replace(event, offer=offer)]

    def _taken_back(self, step: Step, event: Event, item: str, offer: str) -> Event:
        kinds = ("purchase", "redeem", "return", "dismiss")
        acts = [one for one in self.world.events if one.type in kinds]
        if acts and step.what % 3:
            return replace(event, of_event=acts[step.what % len(acts)].event_id)
        return replace(event, item=item) if step.what % 2 else replace(event, offer=offer)

    def _again(self, step: Step, who: bytes, time: int) -> list[Event]:
        if not self.world.events:
            return []
        old = self.world.events[step.what * 7 % len(self.world.events)]
        if step.kind == "elsewhere":
            return [replace(old, identifier=who)]
        return [replace(old, time=time)]
