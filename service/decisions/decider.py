"""Decides on one request until the decision is kept: with what it takes, as it was read, once.

Whatever a decision takes, a contact or one of a limited volume, is stored with it under the
version that was read. Who was overtaken meanwhile is read and decided on again.
"""

import dataclasses
from typing import NamedTuple

import msgspec

from models.decision.decide import run_stages
from models.decision.inputs import DecisionInputs, SharedInputs
from models.decision.record import record as record_stages
from models.decision.record import reservations
from models.decision.recorded import catalogue_rows_used, profile_to_keep
from models.decision.stages import Stages
from models.domain.decisions import DecisionRecord, Flag, Request
from models.domain.events import Event
from models.domain.profile import Profile
from models.domain.reservations import granted, reserved
from models.errors import Conflict, StoreUnavailable
from service.config.clock import Clock
from service.contract.errors import AlreadyUsed
from service.decisions.volume_leases import Volumes
from service.metrics.stage_timer import Laps
from service.store.commits import Known, Overtaken, RequestKey
from service.store.customers.optimistic_writes import ATTEMPTS, pause
from service.store.store import Customer, Store


class Asked(NamedTuple):
    """One validated request, the hashes of whom it is about, and the name it was given.

    `dry`: the decision is wanted, and nothing of it is kept or taken.
    """

    request: Request
    identifiers: list[bytes]
    key: RequestKey | None = None
    dry: bool = False


class Made(NamedTuple):
    """A decision that is not kept yet: its record, its contacts, and what it claimed."""

    record: DecisionRecord
    events: list[Event]
    claimed: list[str]


class Decider:
    """Decides and keeps, for all threads of a server."""

    def __init__(self, store: Store, clock: Clock, volumes: Volumes) -> None:
        self._store = store
        self._clock = clock
        self._volumes = volumes

    def decide(
        self, asked: Asked, world: SharedInputs, customer: Customer | None, laps: Laps
    ) -> DecisionRecord:
        """Return the record of a decision that is kept, unless `asked` is dry; its id is "" then.

        `customer` as it was read, None while the store is away. Raises `AlreadyUsed`, and
        `Conflict` where it was overtaken too often.
        """
        if asked.dry:
            record = self.make(asked, world, customer).record
            laps.end("decide")
            return msgspec.structs.replace(record, id="")
        for attempt in range(ATTEMPTS):
            known = self._answered(asked, customer)
            if known is not None:
                laps.end("read")
                return known
            made = self.make(asked, world, customer)
            laps.end("decide")
            stored = self.keep(made, asked, customer)
            laps.end("record")
            if stored:
                return made.record
            pause(attempt)
            customer = self._read_again(asked)
            laps.end("read")
        raise Conflict("customer: too many decisions at once; ask again")

    def _answered(self, asked: Asked, customer: Customer | None) -> DecisionRecord | None:
        """Return the decision that answered this request before; raises `AlreadyUsed`."""
        if asked.key is None or customer is None:
            return None
        store = self._store
        known = store.requested(asked.identifiers, customer.profile, asked.key)
        if known is None:
            return None
        if known.digest != asked.key.digest:
            raise AlreadyUsed
        record = store.decision(known.decision_id)
        if record is None:
            raise StoreUnavailable("decision: not found; send it again")
        return record

    def make(self, asked: Asked, world: SharedInputs, customer: Customer | None) -> Made:
        """Decide once; of a limited volume only what could be claimed is in it."""
        # Read after the customer: what is counted as over must be over for what was read, too.
        now = self._clock.now()
        blind = customer is None
        profile = Profile(customer=asked.identifiers[0]) if customer is None else customer.profile
        stages, claimed = self._claimed(asked, world, profile, now, blind)
        decision = record_stages(stages)
        told = lesser(self._clock, customer is not None and customer.disagree)
        flags = tuple(sorted({*decision.flags, *told}))
        decision = msgspec.structs.replace(decision, flags=flags)
        record = DecisionRecord(
            id=self._store.new_decision_id(profile.customer, now),
            customer=profile.customer,
            time=now,
            request=asked.request,
            profile=profile_to_keep(profile),
            decision=decision,
            rows=catalogue_rows_used(decision, world.index.catalogue, asked.request.place),
        )
        if customer is None:
            return Made(record, [], claimed)
        under, channel = customer.reached_by(asked.identifiers), asked.request.channel
        events = [reserved(under, record.id, channel, now, offer) for offer in reservations(stages)]
        events += [granted(under, record.id, channel, now, offer) for offer in claimed]
        return Made(record, events, claimed)

    def _claimed(
        self, asked: Asked, world: SharedInputs, profile: Profile, now: int, blind: bool
    ) -> tuple[Stages, list[str]]:
        """Decide until one of everything limited that is shown is claimed, or had before."""
        volumes, catalogue = self._volumes, world.index.catalogue
        limited = volumes.limited(catalogue)
        over = frozenset(limited) if blind else volumes.exhausted(catalogue)
        while True:
            seen = dataclasses.replace(world, exhausted=over)
            inputs = DecisionInputs(profile, seen, asked.request, now, profile_unavailable=blind)
            stages = run_stages(inputs)
            if not limited or asked.dry:
                return stages, []
            shown, had = (
                (place.offer for place in stages.filled.shown),
                stages.gathered.view.granted(),
            )
            claimed = [offer for offer in shown if offer in limited and offer not in had]
            gone = volumes.claim(claimed, catalogue)
            if not gone:
                return stages, claimed
            over |= gone

    def keep(self, made: Made, asked: Asked, customer: Customer | None) -> bool:
        """Keep a decision with what it takes; False if it was overtaken, by whatever."""
        store = self._store
        if customer is None:
            store.commit(made.record)
            return True
        try:
            done = store.commit(made.record, customer.profile, made.events, asked.key)
        except StoreUnavailable:
            # If it was stored after all, its contact is held until it lapses, what it claimed is
            # given, and its request id finds it.
            return False
        if isinstance(done, Overtaken | Known):
            self._volumes.put_back(made.claimed)
            return False
        return True

    def _read_again(self, asked: Asked) -> Customer | None:
        try:
            return self._store.read(asked.identifiers)
        except StoreUnavailable:
            return None


def lesser(clock: Clock, disagree: bool) -> list[Flag]:
    """Return what is lesser about an answer whatever it says."""
    flags = [Flag.CLOCK_SET] if clock.is_set else []
    return [*flags, Flag.IDENTIFIERS_DISAGREE] if disagree else flags
