"""A retailer's month, lived through with the parts of a server, by a clock that is set.

Customers do things and get linked, stock, prices and what is offered change, releases and policies
are put in force, and everybody asks on every channel. All is simulated, by a seed.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from models.decision.inputs import SharedInputs
from models.domain.catalogue import Money, Offer, Row, Stock
from models.domain.decisions import ContextItem, DecisionRecord, Intent, Request
from models.domain.events import Event, attributes_event
from models.release.registry import Registry
from service.decisions.active_release import ActiveRelease
from service.decisions.decider import Decider, DecisionCall
from service.decisions.volume_leases import VolumeLeases
from service.metrics.stage_timer import StageTimer
from service.store.commits import RequestKey
from service.store.store import Store
from tests.support import policies
from tests.support.concurrent_callers import SECOND, SetClock
from tests.support.events import identifier
from tests.support.in_process import enter_release
from tests.support.small_release import small_rows

DAYS = 28  # that end now, so that nothing is kept for longer than decisions are
RELEASES, POLICIES = 5, 10
PEOPLE = 500
DEVICES = 200  # identifiers that may be found to be one of the people
CHANNELS = ("web", "app", "email", "sms", "push", "till", "kiosk", "call_center", "direct_mail")
TYPES = ("view", "view", "view", "add_to_cart", "purchase", "click", "dismiss", "impression")
SHOPS = ("", "s1", "s2")
ZONES = ("Europe/Vienna", "America/New_York", "Pacific/Apia")


def month_rows() -> list[Row]:
    """Return a small catalogue whose offers have worth, stock, groups, a class and a volume."""
    more: list[Row] = [
        Offer(id=f"loan:{number}", items=(f"item{number}",), groups=("loans",), volume=volume)
        for number, volume in enumerate((None, 20, 300))
    ]
    more.append(Offer(id="help", items=("item1",), offer_class="service", value=Money("EUR", 1)))
    more.append(Offer(id="delicate", items=("item2",), sensitivity="health"))
    return [*small_rows(), *more]


class Decided(NamedTuple):
    """A decision as it is kept, and the world that it was made in."""

    record: DecisionRecord
    world: SharedInputs


class Month:
    """The month under way; `counts` says what happened how often."""

    def __init__(self, store: Store, registry: Registry, seed: int = 1) -> None:
        self._draw = random.Random(seed)
        self._store, self._registry = store, registry
        self._clock = SetClock(time.time_ns() // 1000 - DAYS * 86_400 * SECOND)
        self._rows = month_rows()
        store.put_catalogue(self._rows)
        self._releases = [enter_release(registry.directory, seed=n + 1) for n in range(RELEASES)]
        registry.promote(self._releases[0], self._clock.now())
        self._runtime = ActiveRelease(store, registry, self._clock)
        self._runtime.load_in_force()
        self._runtime.refresh_catalogue()
        self._decider = Decider(store, self._clock, VolumeLeases(store))
        self._links: list[tuple[bytes, bytes]] = []
        self.counts: Counter[str] = Counter()

    def live(self, decisions: int) -> Iterator[Decided]:
        """Live through the month; yield each of its so many decisions when it has been made."""
        step = DAYS * 86_400 * SECOND // decisions
        for number in range(decisions):
            self._clock.move(self._draw.randint(step // 2, step))
            if number * RELEASES % decisions < RELEASES:
                self._promote(self._releases[number * RELEASES // decisions])
            if number * POLICIES % decisions < POLICIES:
                self._publish()
            if number % 10 == 0:
                self._change_the_catalogue()
            if number % 100 == 0:
                self._link()
            if number % 150 == 149:
                self._unlink()
            self._act()
            yield self._decide()

    def _promote(self, release: str) -> None:
        self._registry.promote(release, self._clock.now())
        self._runtime.follow_release()
        assert self._runtime.release_id == release
        self.counts["releases"] += 1

    def _publish(self) -> None:
        policy = policies.drawn(self._draw)
        self._registry.publish(policy, self._clock.now())
        self._runtime.follow_policy()
        assert self._runtime.snapshot.policy == policy
        self.counts["policies"] += 1

    def _change_the_catalogue(self) -> None:
        draw, now = self._draw, self._clock.now()
        at = draw.randrange(len(self._rows))
        row = self._rows[at]
        if draw.random() < 0.5:
            row = msgspec.structs.replace(
                row, price=Money("EUR", draw.randint(1, 60), draw.randrange(10**9))
            )
        else:
            counted = (
                Stock(shop, draw.randint(0, 3), now) for shop in SHOPS if draw.random() < 0.5
            )
            row = msgspec.structs.replace(row, stock=tuple(counted), withdrawn=draw.random() < 0.05)
        self._rows[at] = row
        self._store.put_catalogue([row])
        self._runtime.refresh_catalogue()
        self.counts["changes of stock and price"] += 1

    def _link(self) -> None:
        one, other = self._someone(), identifier(PEOPLE + self._draw.randrange(DEVICES))
        self._store.link(one, other, "login", self._clock.now())
        self._links.append((one, other))
        self.counts["links"] += 1

    def _unlink(self) -> None:
        """Take back any link, once."""
        one, other = self._links.pop(self._draw.randrange(len(self._links)))
        self._store.unlink(one, other, "agent", self._clock.now())
        self.counts["unlinks"] += 1

    def _act(self) -> None:
        """Let somebody do something, at times late."""
        draw, now = self._draw, self._clock.now()
        said = [
            Event(
                event_id=f"e{self.counts['events']}.{number}",
                identifier=self._someone(),
                type=draw.choice(TYPES),
                channel=draw.choice(CHANNELS),
                time=now - draw.choice((0, 0, 0, 3600 * SECOND)),
                item=f"item{draw.randrange(40)}",
            )
            for number in range(draw.choice((0, 0, 1, 3)))
        ]
        if draw.random() < 0.1:
            known = {"segment": draw.choice(("young", "old")), "time_zone": draw.choice(ZONES)}
            said.append(attributes_event(self._someone(), known))
        if said:
            self._store.record(said, now)
            self.counts["events"] += len(said)

    def _decide(self) -> Decided:
        draw = self._draw
        asked = [self._someone()]
        if draw.random() < 0.3:
            asked.append(identifier(PEOPLE + draw.randrange(DEVICES)))
        request = Request(
            channel=draw.choice(CHANNELS),
            intent=draw.choice((Intent.DEFAULT, Intent.DEFAULT, *Intent.ALL)),
            count=draw.choice((1, 3, 10, 40)),
            place=draw.choice(SHOPS),
            exclude=tuple(f"item:{item}" for item in _some(draw)),
            context=tuple(ContextItem(item, draw.random() < 0.5) for item in _some(draw)),
        )
        name = f"r{self.counts['decisions']}"
        key = RequestKey(asked[0], name, b"what was asked") if draw.random() < 0.1 else None
        customer = self._store.read(asked)
        world = self._runtime.snapshot.shared_inputs()
        record = self._decider.decide(
            DecisionCall(request, asked, key), world, customer, StageTimer()
        )
        self.counts["decisions"] += 1
        self.counts["offers shown"] += len(record.decision.slate)
        if record.request.channel == "email" and record.decision.slate:
            self._send(asked[0], record.id, [shown.offer for shown in record.decision.slate])
        return Decided(record, world)

    def _send(self, who: bytes, decision: str, offers: list[str]) -> None:
        now = self._clock.now()
        said = [
            Event(
                event_id=f"sent:{decision}:{offer}",
                identifier=who,
                type="sent",
                channel="email",
                time=now,
                offer=offer,
                decision_id=decision,
            )
            for offer in offers[: self._draw.randint(0, 3)]
        ]
        if said:
            self._store.record(said, now)

    def _someone(self) -> bytes:
        return identifier(self._draw.randrange(PEOPLE))


def _some(draw: random.Random) -> list[str]:
    """Return now and then some items."""
    if draw.random() < 0.8:
        return []
    return [f"item{number}" for number in draw.sample(range(40), draw.randint(1, 5))]
