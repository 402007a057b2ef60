"""The step from format 2 to 3: what format 2 let go of is made anew from the log.

In format 2 a compartment kept nothing of what its lanes let go of, nobody knew when an identifier
became known, and Redis had no index of event ids. Each customer is replaced as any other write
replaces one, if nobody was faster; so it works beside servers of this version, and may be repeated
and interrupted at any moment.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import NamedTuple

from msgspec.structs import replace

from models.codec import FORMAT, encode, format_of
from models.domain.event_types import EventType
from models.domain.profile import Forward, Profile, decode_customer
from models.errors import BadInput, Unreadable
from service.store.customers.linking import finish_pending
from service.store.customers.optimistic_writes import (
    ATTEMPTS,
    back_off,
    forward_write,
    too_many_writers,
)
from service.store.customers.refolding import refold
from service.store.database.backend import Backend, CustomerWrite
from service.store.log_spool import LogSpool

BATCH = 500  # customers in memory, and in one call of the database

# Called with what is gone through, and how many of it are done.
Progress = Callable[[str, int], None]


class StepOptions(NamedTuple):
    """How a step works: `clock` gives microseconds; with `dry_run` nothing is written.

    `event_types` maps each type to the built-in one that it is like.
    """

    event_types: Mapping[str, EventType]
    clock: Callable[[], int]
    dry_run: bool
    progress: Progress


class StepReport(NamedTuple):
    """What a step did, or would do.

    `customers` were written anew, forwards included; the log has `events`. Of `kept` identifiers it
    tells less than they remember, so they keep what they have. `unreadable` names each customer
    and entry of the log that is left as it is, with the reason.
    """

    customers: int = 0
    events: int = 0
    kept: int = 0
    unreadable: tuple[str, ...] = ()


def rebuild_from_log(backend: Backend, options: StepOptions) -> StepReport:
    """Take a store from format 2 to 3, save for the number; raises `StoreUnavailable`.

    Raises `BadInput`, before anything is written, where the log has a type that is not declared.
    """
    spool = LogSpool(backend, lambda done: options.progress("log", done))
    with closing(spool):
        spool.catch_up()
        undeclared = sorted(spool.types - options.event_types.keys())
        if undeclared:
            raise BadInput("event_types", f"the log has {undeclared[0]!r}, which is not declared")
        if not options.dry_run:
            backend.enter_event_ids(lambda done: options.progress("event ids", done))
        rebuilder = _Rebuilder(backend, spool, options)
        for batch in _batches(backend.customers()):
            rebuilder.rebuild(batch)
        return rebuilder.report()


class _Rebuilder:
    """Rebuilds customers, and counts."""

    def __init__(self, backend: Backend, spool: LogSpool, options: StepOptions) -> None:
        self._backend = backend
        self._spool = spool
        self._options = options
        self._looked_at = self._customers = self._kept = 0
        self._unreadable: dict[bytes, str] = {}

    def rebuild(self, customers: Sequence[bytes]) -> None:
        """Rebuild those that lack something; one that changes meanwhile is tried again."""
        for customer in self._attempt(customers):
            # One by one, so that next to nothing passes between reading and writing.
            for attempt in range(ATTEMPTS):
                if not self._attempt([customer]):
                    break
                back_off(attempt)
            else:
                raise too_many_writers("migrate")
        self._looked_at += len(customers)
        self._options.progress("customers", self._looked_at)

    def report(self) -> StepReport:
        """Return what was done so far."""
        unreadable = self._spool.unreadable.copy()
        unreadable += (f"customer {who.hex()}: {why}" for who, why in self._unreadable.items())
        events = self._spool.events
        return StepReport(self._customers, events, self._kept, tuple(unreadable))

    def _attempt(self, customers: Sequence[bytes]) -> list[bytes]:
        """Try once; return whom somebody else changed meanwhile."""
        blobs = self._backend.get_many(customers)
        # Only now: what a profile holds was logged before it was read.
        self._spool.catch_up(_owners(blobs[0]) if len(customers) == 1 else None)
        again: list[bytes] = []
        plans: list[_Plan] = []
        for customer, blob in zip(customers, blobs, strict=True):
            try:
                plan = _NOTHING if blob is None else self._plan(customer, blob)
            except _UnderWay:
                finish_pending(self._backend, customer, self._options.clock)
                again.append(customer)
            except Unreadable as error:
                self._unreadable[customer] = str(error)
            else:
                plans.append(plan)
        writes = [plan.write for plan in plans if plan.write is not None]
        done = [True] * len(writes) if self._options.dry_run else self._backend.write(writes)
        lost = {one.customer for one, written in zip(writes, done, strict=True) if not written}
        self._customers += len(writes) - len(lost)
        self._kept += sum(
            plan.kept for plan in plans if plan.write is None or plan.write.customer not in lost
        )
        return [*again, *sorted(lost)]

    def _plan(self, customer: bytes, blob: bytes) -> "_Plan":
        """Return the write that leaves a customer as it is to be; none where it is."""
        former = format_of(blob) != FORMAT
        stored = decode_customer(blob)
        if isinstance(stored, Forward):
            return _Plan(forward_write(customer, stored.version, stored.to)) if former else _NOTHING
        if stored.unsettled and not self._options.dry_run:
            raise _UnderWay
        found = refold(stored, self._spool.said_of, self._options.event_types)
        if not former and found.profile == stored:
            return _Plan(None, found.kept)
        after = replace(found.profile, version=stored.version + 1)
        blob = encode(after, after.version)
        return _Plan(CustomerWrite(customer, stored.version, blob), found.kept)


class _Plan(NamedTuple):
    """What to write for a customer, and how many of its identifiers keep what they have."""

    write: CustomerWrite | None
    kept: int = 0


_NOTHING = _Plan(None)


def _owners(blob: bytes | None) -> set[bytes]:
    """Return whose writes may have logged what a stored customer holds."""
    try:
        stored = None if blob is None else decode_customer(blob)
    except Unreadable:
        return set()
    return stored.owners if isinstance(stored, Profile) else set()


class _UnderWay(Exception):
    """A customer is being joined or parted, which must be finished first."""


def _batches(customers: Iterator[bytes]) -> Iterator[list[bytes]]:
    while batch := list(islice(customers, BATCH)):
        yield sorted(set(batch))
