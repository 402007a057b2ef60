"""Decides on one request, and stores the decision together with everything that it uses up.

That is contacts under a hard cap, and pieces of limited volumes. The write needs the version of
the customer that was read: where another write came first, the customer is read and decided on
again.
"""

import dataclasses
from typing import NamedTuple

import msgspec

from models.decision.decide import run_stages
from models.decision.inputs import DecisionInputs, SharedInputs
from models.decision.record import exhausted_untold, reservations
from models.decision.record import record as record_stages
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
    """One validated request, the hashed identifiers of its customer, and its request id.

    `dry_run`: the decision is returned, but neither it nor what it uses up is stored.
    """

    request: Request
    identifiers: list[bytes]
    key: RequestKey | None = None
    dry_run: bool = False


class Draft(NamedTuple):
    """A decision that is not stored yet: its record, its reservations, the volumes it claimed."""

    record: DecisionRecord
    events: list[Event]
    claimed: list[str]


class Decider:
    """Decides and stores decisions, for all threads of a server."""

    def __init__(self, store: Store, clock: Clock, volumes: VolumeLeases) -> None:
        self._store = store
        self._clock = clock
        self._volumes = volumes

    def decide(
        self,
        call: DecisionCall,
        shared: SharedInputs,
        customer: CustomerLookup | None,
        timer: StageTimer,
    ) -> DecisionRecord:
        """Return the record of the decision, stored by then; of a dry run not, and its id is "".

        `customer` as it was read, None while the store is away. Raises `RequestIdReused`, and
        `Conflict` where other writes came first too often.
        """
        if call.dry_run:
            record = self.draft(call, shared, customer).record
            timer.end("decide")
            return msgspec.structs.replace(record, id="")
        for attempt in range(ATTEMPTS):
            answered = self._answered(call, customer)
            if answered is not None:
                timer.end("read")
                return answered
            draft = self.draft(call, shared, customer)
            timer.end("decide")
            stored = self.commit(draft, call, customer)
            timer.end("record")
            if stored:
                return draft.record
            back_off(attempt)
            customer = self._read_again(call)
            timer.end("read")
        raise Conflict("customer: too many decisions at once; ask again")

    def _answered(
        self, call: DecisionCall, customer: CustomerLookup | None
    ) -> DecisionRecord | None:
        """Return the decision that answered this request before; raises `RequestIdReused`."""
        if call.key is None or customer is None:
            return None
        store = self._store
        answered = store.requested(call.identifiers, customer.profile, call.key)
        if answered is None:
            return None
        if answered.digest != call.key.digest:
            raise RequestIdReused
        record = store.decision(answered.decision_id)
        if record is None:
            raise StoreUnavailable("decision: not found; send it again")
        return record

    def draft(
        self, call: DecisionCall, shared: SharedInputs, customer: CustomerLookup | None
    ) -> Draft:
        """Decide once, and claim a piece of each limited volume that the decision shows."""
        # Read after the customer: what is counted as over must be over for what was read, too.
        now = self._clock.now()
        profile_unavailable = customer is None
        profile = Profile(customer=call.identifiers[0]) if customer is None else customer.profile
        stages, claimed = self._claimed(call, shared, profile, now, profile_unavailable)
        decision = record_stages(stages)
        of_answer = answer_flags(
            self._clock, customer is not None and customer.identifiers_disagree
        )
        flags = tuple(sorted({*decision.flags, *of_answer, *shared.flags}))
        decision = msgspec.structs.replace(decision, flags=flags)
        record = DecisionRecord(
            id=self._store.new_decision_id(profile.customer, now),
            customer=profile.customer,
            time=now,
            request=call.request,
            profile=profile_to_keep(profile, shared.policy),
            decision=decision,
            rows=catalogue_rows_used(decision, shared.index, call.request.place),
            asked=call.identifiers[0]
            if customer is None
            else customer.contact_identifier(call.identifiers),
            currency=shared.exchange.currency,
            exhausted=exhausted_untold(stages),
        )
        if customer is None:
            return Draft(record, [], claimed)
        under, channel = record.asked, call.request.channel
        events = [reserved(under, record.id, channel, now, offer) for offer in reservations(stages)]
        events += [granted(under, record.id, channel, now, offer) for offer in claimed]
        return Draft(record, events, claimed)

    def _claimed(
        self,
        call: DecisionCall,
        shared: SharedInputs,
        profile: Profile,
        now: int,
        profile_unavailable: bool,
    ) -> tuple[Stages, list[str]]:
        """Decide until a piece of every limited offer shown is claimed; exhausted ones drop out.

        Offers that the customer was granted before need no further piece.
        """
        volumes, catalogue = self._volumes, shared.index.catalogue
        limited = volumes.limited(catalogue)
        exhausted = frozenset(limited) if profile_unavailable else volumes.exhausted(catalogue)
        while True:
            current = dataclasses.replace(shared, exhausted=exhausted)
            inputs = DecisionInputs(
                profile, current, call.request, now, profile_unavailable=profile_unavailable
            )
            stages = run_stages(inputs)
            if not limited or call.dry_run:
                return stages, []
            unclaimed = limited.keys() - stages.gathered.view.granted()
            claimed = [place.offer for place in stages.filled.shown if place.offer in unclaimed]
            if claimed and stages.gathered.view.may_have_been_granted():
                exhausted |= unclaimed  # nobody knows that they did not have one
                continue
            used_up = volumes.claim(claimed, catalogue)
            if not used_up:
                return stages, claimed
            exhausted |= used_up

    def commit(self, draft: Draft, call: DecisionCall, customer: CustomerLookup | None) -> bool:
        """Store a decision with what it uses up; False if it must be made again."""
        store = self._store
        if customer is None:
            store.commit(draft.record)
            return True
        try:
            done = store.commit(draft.record, customer.profile, draft.events, call.key)
        except StoreUnavailable:
            # If it was stored after all, its reservations hold until they lapse, the pieces it
            # claimed stay granted, and its request id finds it.
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
    """Return the flags that an answer bears whatever was decided."""
    flags = [Flag.CLOCK_SET] if clock.is_set else []
    return [*flags, Flag.IDENTIFIERS_DISAGREE] if identifiers_disagree else flags
