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
from service.contract.errors import RequestIdReused
from service.decisions.volume_leases import VolumeLeases
from service.metrics.stage_timer import StageTimer
from service.store.commits import AlreadyAnswered, RequestKey, VersionConflict
from service.store.customers.optimistic_writes import ATTEMPTS, back_off
from service.store.store import CustomerLookup, Store


class DecisionCall(NamedTuple):
    """One validated request, the hashes of whom it is about, and the name it was given.

    `dry`: the decision is wanted, and nothing of it is kept or taken.
    """

    request: Request
    identifiers: list[bytes]
    key: RequestKey | None = None
    dry_run: bool = False


class Draft(NamedTuple):
    """A decision that is not kept yet: its record, its contacts, and what it claimed."""

    record: DecisionRecord
    events: list[Event]
    claimed: list[str]


class Decider:
    """Decides and keeps, for all threads of a server."""

    def __init__(self, store: Store, clock: Clock, volumes: VolumeLeases) -> None:
        self._store = store
        self._clock = clock
        self._volumes = volumes

    def decide(
        self,
        call: DecisionCall,
        world: SharedInputs,
        customer: CustomerLookup | None,
        timer: StageTimer,
    ) -> DecisionRecord:
        """Return the record of a decision that is kept, unless `asked` is dry; its id is "" then.

        `customer` as it was read, None while the store is away. Raises `AlreadyUsed`, and
        `Conflict` where it was overtaken too often.
        """
        if call.dry_run:
            record = self.draft(call, world, customer).record
            timer.end("decide")
            return msgspec.structs.replace(record, id="")
        for attempt in range(ATTEMPTS):
            known = self._answered(call, customer)
            if known is not None:
                timer.end("read")
                return known
            made = self.draft(call, world, customer)
            timer.end("decide")
            stored = self.commit(made, call, customer)
            timer.end("record")
            if stored:
                return made.record
            back_off(attempt)
            customer = self._read_again(call)
            timer.end("read")
        raise Conflict("customer: too many decisions at once; ask again")

    def _answered(
        self, call: DecisionCall, customer: CustomerLookup | None
    ) -> DecisionRecord | None:
        """Return the decision that answered this request before; raises `AlreadyUsed`."""
        if call.key is None or customer is None:
            return None
        store = self._store
        known = store.requested(call.identifiers, customer.profile, call.key)
        if known is None:
            return None
        if known.digest != call.key.digest:
            raise RequestIdReused
        record = store.decision(known.decision_id)
        if record is None:
            raise StoreUnavailable("decision: not found; send it again")
        return record

    def draft(
        self, call: DecisionCall, world: SharedInputs, customer: CustomerLookup | None
    ) -> Draft:
        """Decide once; of a limited volume only what could be claimed is in it."""
        # Read after the customer: what is counted as over must be over for what was read, too.
        now = self._clock.now()
        blind = customer is None
        profile = Profile(customer=call.identifiers[0]) if customer is None else customer.profile
        stages, claimed = self._claimed(call, world, profile, now, blind)
        decision = record_stages(stages)
        told = answer_flags(self._clock, customer is not None and customer.identifiers_disagree)
        flags = tuple(sorted({*decision.flags, *told}))
        decision = msgspec.structs.replace(decision, flags=flags)
        record = DecisionRecord(
            id=self._store.new_decision_id(profile.customer, now),
            customer=profile.customer,
            time=now,
            request=call.request,
            profile=profile_to_keep(profile),
            decision=decision,
            rows=catalogue_rows_used(decision, world.index.catalogue, call.request.place),
        )
        if customer is None:
            return Draft(record, [], claimed)
        under, channel = customer.contact_identifier(call.identifiers), call.request.channel
        events = [reserved(under, record.id, channel, now, offer) for offer in reservations(stages)]
        events += [granted(under, record.id, channel, now, offer) for offer in claimed]
        return Draft(record, events, claimed)

    def _claimed(
        self, call: DecisionCall, world: SharedInputs, profile: Profile, now: int, blind: bool
    ) -> tuple[Stages, list[str]]:
        """Decide until one of everything limited that is shown is claimed, or had before."""
        volumes, catalogue = self._volumes, world.index.catalogue
        limited = volumes.limited(catalogue)
        over = frozenset(limited) if blind else volumes.exhausted(catalogue)
        while True:
            seen = dataclasses.replace(world, exhausted=over)
            inputs = DecisionInputs(profile, seen, call.request, now, profile_unavailable=blind)
            stages = run_stages(inputs)
            if not limited or call.dry_run:
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

    def commit(self, draft: Draft, call: DecisionCall, customer: CustomerLookup | None) -> bool:
        """Keep a decision with what it takes; False if it was overtaken, by whatever."""
        store = self._store
        if customer is None:
            store.commit(draft.record)
            return True
        try:
            done = store.commit(draft.record, customer.profile, draft.events, call.key)
        except StoreUnavailable:
            # If it was stored after all, its contact is held until it lapses, what it claimed is
            # given, and its request id finds it.
            return False
        if isinstance(done, VersionConflict | AlreadyAnswered):
            self._volumes.put_back(draft.claimed)
            return False
        return True

    def _read_again(self, call: DecisionCall) -> CustomerLookup | None:
        try:
            return self._store.read(call.identifiers)
        except StoreUnavailable:
            return None


def answer_flags(clock: Clock, identifiers_disagree: bool) -> list[Flag]:
    """Return what is lesser about an answer whatever it says."""
    flags = [Flag.CLOCK_SET] if clock.is_set else []
    return [*flags, Flag.IDENTIFIERS_DISAGREE] if identifiers_disagree else flags
