"""Callers that decide for one customer, each in steps between which the others may come.

Every order of their steps can be enumerated: a scheduler tries the choices one after another, each
order over a customer of its own in a real store.
"""

from collections.abc import Callable, Iterator

from models.decision.inputs import SharedInputs
from models.domain.decisions import Intent, Request
from models.domain.events import Event
from models.errors import StoreUnavailable
from models.policy.contact_log import reservation_length
from models.policy.schema import Policy
from service.config.clock import Clock
from service.decisions.decider import Decider, DecisionCall, Draft
from service.decisions.volume_leases import VolumeLeases
from service.store.customers.customer_lookup import CustomerLookup
from service.store.store import Store

SECOND = 1_000_000


class SetClock(Clock):
    """A clock that stands still unless it is moved."""

    def __init__(self, now: int) -> None:
        super().__init__()
        self._time = now

    def now(self) -> int:
        """Return the time in microseconds."""
        return self._time

    def move(self, by: int) -> None:
        """Let time pass."""
        self._time += by


class Actor:
    """Asks for one customer, keeps what is decided, and sends what was reserved, if it may still.

    Its steps: it reads; it decides and commits, and reads again if it was overtaken; it sends and
    records `sent`. What has lapsed is not sent.
    """

    def __init__(self, decider: Decider, store: Store, clock: Clock, world: SharedInputs) -> None:
        self._decider, self._store, self._clock, self._world = decider, store, clock, world
        self._customer: CustomerLookup | None = None
        self._made: Draft | None = None
        self._step: Callable[[], None] | None = None
        self.delivered: int | None = None
        self.overtaken = 0

    def ask(self, who: bytes, channel: str) -> None:
        """Begin to ask for a customer."""
        request = Request(channel=channel, intent=Intent.DEFAULT, count=3)
        self._asked = DecisionCall(request, [who])
        self._customer = self._made = self.delivered = None
        self._step = self._read

    @property
    def running(self) -> bool:
        """Tell whether there is a step left."""
        return self._step is not None

    def step(self) -> None:
        """Do the next step."""
        assert self._step is not None
        self._step()

    def _read(self) -> None:
        self._customer = self._store.read(self._asked.identifiers)
        self._step = self._commit

    def _commit(self) -> None:
        made = self._decider.draft(self._asked, self._world, self._customer)
        if not made.events:
            self._step = None  # nothing may be sent
        elif self._stored(made):
            self._made, self._step = made, self._send
        else:
            self.overtaken += 1
            self._step = self._read

    def _stored(self, made: Draft) -> bool:
        assert self._customer is not None
        try:
            return self._decider.commit(made, self._asked, self._customer)
        except StoreUnavailable:
            return False

    def _send(self) -> None:
        made, now = self._made, self._clock.now()
        assert made is not None
        self._step = None
        record = made.record
        if now >= record.time + reservation_length(self._world.policy.contact):
            return
        self.delivered = now
        sent = Event(
            event_id=f"sent:{record.id}",
            identifier=self._asked.identifiers[0],
            type="sent",
            channel=record.request.channel,
            time=now,
            decision_id=record.id,
        )
        self._store.record([sent], now)


class Scheduler:
    """Runs actors in every order, and with them once, at any moment, the lapse of what is open."""

    def __init__(
        self, store: Store, world: SharedInputs, actors: int, now: int, lapse: bool
    ) -> None:
        self.clock = SetClock(now)
        self._policy: Policy = world.policy
        self._lapse = lapse
        decider = Decider(store, self.clock, VolumeLeases(store))
        self.actors = [Actor(decider, store, self.clock, world) for _ in range(actors)]

    def orders(
        self, customers: Iterator[bytes], channels: tuple[str, ...]
    ) -> Iterator[tuple[int, ...]]:
        """Run each order, for the next of `customers`; yield it when it has ended.

        Actor n asks on the channel n. An order is who did the next step, or the number of actors
        for the lapse.
        """
        choices: list[int] = []
        while True:
            taken, widths = self._run(next(customers), channels, choices)
            yield taken
            while widths and choices[-1] == widths[-1] - 1:
                choices.pop()
                widths.pop()
            if not choices:
                return
            choices[-1] += 1

    def _run(
        self, who: bytes, channels: tuple[str, ...], choices: list[int]
    ) -> tuple[tuple[int, ...], list[int]]:
        """Run one order by `choices`, then always the first; complete `choices` with them.

        Return who was chosen, and among how many.
        """
        for actor, channel in zip(self.actors, channels, strict=True):
            actor.ask(who, channel)
        lapsed = not self._lapse
        taken: list[int] = []
        widths: list[int] = []
        while any(actor.running for actor in self.actors):
            may = [number for number, actor in enumerate(self.actors) if actor.running]
            if not lapsed:
                may.append(len(self.actors))
            if len(widths) == len(choices):
                choices.append(0)
            chosen = may[choices[len(widths)]]
            widths.append(len(may))
            taken.append(chosen)
            if chosen == len(self.actors):
                self.clock.move(reservation_length(self._policy.contact))
                lapsed = True
            else:
                self.clock.move(SECOND)
                self.actors[chosen].step()
        return tuple(taken), widths
