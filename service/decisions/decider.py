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
from models.errors import Conflict, StoreUnavailable, Unreadable
from service.config.clock import Clock
from service.contract.errors import RequestIdReused
from service.decisions.volume_leases import VolumeLeases
from service.metrics.stage_timer import StageTimer
from service.store.commits import AlreadyAnswered, RequestKey, VersionConflict
from service.store.customers.customer_lookup import CustomerLookup
from service.store.customers.optimistic_writes import ATTEMPTS, back_off
from service.store.database.backend import OutOfTime, WritesRefused
from service.store.store import Store

WRITE_SECONDS = 0.25  # how long a decision waits for what it uses up to be stored
ANSWER_SECONDS = 0.01  # kept back to decide without, where it is not stored in time
# With less time left a write is not begun: that it came too late would say nothing of the store.
MIN_WRITE_SECONDS = 0.03


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

        `customer` as it was read, None while the store is away. Only a race that was lost is run
        again, as long as there is time. Where the store takes no write, or not in time, the answer
        reserves nothing, and is flagged. Raises `RequestIdReused`, `Unreadable`, and `Conflict`
        where other writes came first too often.
        """
        if call.dry_run:
            record = self.draft(call, shared, customer).record
            timer.end("decide")
            return msgspec.structs.replace(record, id="")
        for attempt in range(ATTEMPTS):
            if customer is None:
                break
            try:
                answered = self._answered(call, customer)
                if answered is not None:
                    timer.end("read")
                    return answered
                if self._store.refuses_writes or self._store.time_left() < MIN_WRITE_SECONDS:
                    break
                draft = self.draft(call, shared, customer)
                timer.end("decide")
                stored = self.commit(draft, call, customer)
                timer.end("record")
                if stored:
                    return draft.record
                back_off(attempt, self._store.time_left())
                customer = self._store.read(call.identifiers)
                timer.end("read")
            except Unreadable:
                raise
            except StoreUnavailable:
                break
        else:
            raise Conflict("customer: too many decisions at once; ask again")
        draft = self.draft(call, shared, customer, nothing_reserved=customer is not None)
        timer.end("decide")
        self._store.commit(draft.record)
        timer.end("record")
        return draft.record

    def _answered(self, call: DecisionCall, customer: CustomerLookup) -> DecisionRecord | None:
        """Return the decision that answered this request before; raises `RequestIdReused`."""
        if call.key is None:
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
        self,
        call: DecisionCall,
        shared: SharedInputs,
        customer: CustomerLookup | None,
        *,
        nothing_reserved: bool = False,
    ) -> Draft:
        """Decide once, and claim a piece of each limited volume that the decision shows.

        With `nothing_reserved` nothing is shown that would have to be reserved or claimed.
        """
        # Read after the customer: what is counted as over must be over for what was read, too.
        now = self._clock.now()
        inputs = DecisionInputs(
            Profile(customer=call.identifiers[0]) if customer is None else customer.profile,
            shared,
            call.request,
            now,
            profile_unavailable=customer is None,
            nothing_reserved=nothing_reserved,
        )
        stages, claimed = self._claimed(inputs, call.dry_run)
        profile = inputs.profile
        decision = record_stages(stages)
        of_answer = answer_flags(
            self._clock,
            customer is not None and customer.identifiers_disagree,
            self._store.is_older,
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
        if customer is None or nothing_reserved:
            return Draft(record, [], [])
        under, channel = record.asked, call.request.channel
        events = [reserved(under, record.id, channel, now, offer) for offer in reservations(stages)]
        events += [granted(under, record.id, channel, now, offer) for offer in claimed]
        return Draft(record, events, claimed)

    def _claimed(self, inputs: DecisionInputs, dry_run: bool) -> tuple[Stages, list[str]]:
        """Decide until a piece of every limited offer shown is claimed; exhausted ones drop out.

        Offers that the customer was granted before need no further piece. Nobody gets one where a
        grant cannot be stored.
        """
        shared = inputs.shared
        volumes, catalogue = self._volumes, shared.index.catalogue
        limited = volumes.limited(catalogue)
        ungranted = inputs.profile_unavailable or inputs.nothing_reserved
        exhausted = frozenset(limited) if ungranted else volumes.exhausted(catalogue)
        while True:
            current = dataclasses.replace(shared, exhausted=exhausted)
            stages = run_stages(inputs._replace(shared=current))
            if not limited or dry_run:
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

    def commit(self, draft: Draft, call: DecisionCall, customer: CustomerLookup) -> bool:
        """Store a decision with what it uses up; False if it must be made again.

        Raises `StoreUnavailable`; where it may have been stored all the same, its reservations hold
        until they lapse, the pieces it claimed stay granted, and its request id finds it.
        """
        store = self._store
        try:
            with store.within(min(WRITE_SECONDS, store.time_left() - ANSWER_SECONDS)):
                done = store.commit(draft.record, customer.profile, draft.events, call.key)
        except (WritesRefused, OutOfTime):
            self._volumes.put_back(draft.claimed)  # certainly granted to nobody
            raise
        if isinstance(done, VersionConflict | AlreadyAnswered):
            self._volumes.put_back(draft.claimed)
            return False
        return True


def answer_flags(clock: Clock, identifiers_disagree: bool, store_is_older: bool) -> list[Flag]:
    """Return the flags that an answer bears whatever was decided."""
    said = {
        Flag.CLOCK_SET: clock.is_set,
        Flag.IDENTIFIERS_DISAGREE: identifiers_disagree,
        Flag.STORE_OLDER: store_is_older,
    }
    return [flag for flag, holds in said.items() if holds]
