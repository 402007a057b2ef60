"""Stores a decision, what it reserves and the request it answers, all of it or nothing.

The write needs the version of the profile that was decided on. So of two decisions that would both
use the last contact that a cap leaves, one is refused, in whichever processes they are made; so is
one whose customer was moved by a link meanwhile.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from models.codec import decode, encode
from models.domain.decisions import DecisionRecord
from models.domain.event_types import EventType
from models.domain.events import Event
from models.domain.profile import Profile
from service.store.customers.planning import Arrival, plan_events
from service.store.database.backend import Backend, Commit, SealedDecision, StoredRequest
from service.store.identity.recent_writes import RecentWrites
from service.store.records.sealing import Seal


class RequestKey(NamedTuple):
    """A caller's name for one request.

    `identifier` is the first of the request, `digest` a hash of the whole request: the same id with
    another digest is a mistake of the caller's.
    """

    identifier: bytes
    request_id: str
    digest: bytes


class Committed(NamedTuple):
    """The decision is stored; `version` is that of the profile with what was reserved."""

    version: int


class VersionConflict(NamedTuple):
    """The customer has another version than was read: nothing was stored."""


class AlreadyAnswered(NamedTuple):
    """The request id was answered before, by this decision, for a request with this digest."""

    decision_id: str
    digest: bytes


class _Answered(msgspec.Struct, frozen=True, array_like=True):
    decision_id: str
    digest: bytes


class Committer:
    """Commits decisions over one database, for all threads of a process."""

    def __init__(
        self,
        backend: Backend,
        event_types: Mapping[str, EventType],
        seal: Seal,
        recent: RecentWrites,
        committed: Callable[[SealedDecision], None],
    ) -> None:
        """`event_types` maps each type to the built-in one that it is like.

        `recent` is told which customer was stored, `committed` which decision.
        """
        self._backend = backend
        self._event_types = event_types
        self._seal = seal
        self._recent = recent
        self._committed = committed

    def commit(
        self,
        record: DecisionRecord,
        profile: Profile,
        reserve: Sequence[Event],
        request: RequestKey | None,
    ) -> Committed | VersionConflict | AlreadyAnswered:
        """Store all of it, durable on return, or nothing; raises `StoreUnavailable`."""
        # Their ids hold that of the decision, so nobody has recorded them before.
        arrival = Arrival(record.time, look_up=False)
        write = plan_events(self._backend, profile, reserve, arrival, self._event_types).write
        answered = None
        if request is not None:
            blob = encode(_Answered(record.id, request.digest))
            answered = StoredRequest(_key(request), blob)
        decision = self._seal.seal(record)
        outcome = self._backend.commit(
            Commit(
                customer=profile.customer,
                expected=profile.version,
                blob=None if write is None else write.blob,
                lines=() if write is None else write.lines,
                decision=decision,
                request=answered,
            )
        )
        if isinstance(outcome, bytes):
            return _known(outcome)
        if not outcome:
            return VersionConflict()
        if write is not None:
            self._recent.note(write.customer, profile.version + 1)
        self._committed(decision)
        return Committed(profile.version + (write is not None))

    def requested(self, owners: Sequence[bytes], request: RequestKey) -> AlreadyAnswered | None:
        """Return which decision answered a request; `owners`: who it may be stored with."""
        blob = self._backend.requested(owners, _key(request))
        return None if blob is None else _known(blob)


def _key(request: RequestKey) -> bytes:
    named = request.identifier + request.request_id.encode()
    return hashlib.blake2b(named, digest_size=16).digest()


def _known(blob: bytes) -> AlreadyAnswered:
    answered = decode(blob, _Answered)
    return AlreadyAnswered(answered.decision_id, answered.digest)
