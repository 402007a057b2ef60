"""EventService: stores what customers did, durably, one outcome for each event."""

import secrets
import threading

import grpc
from throughline.v1 import event_pb2 as pb
from throughline.v1.event_pb2_grpc import EventServiceServicer

from models.domain.catalogue import Catalogue
from models.domain.events import Event
from models.errors import StoreUnavailable
from service.config.logs import log_fault
from service.contract import limits
from service.contract.event_messages import RefusedEvent, read_event
from service.contract.status import code_number, internal_error_text
from service.contract.validation import Check
from service.rpc.call_context import give_way
from service.rpc.dependencies import Dependencies
from service.rpc.event_warnings import EventWarnings
from service.store.customers.planning import EventFault, EventOutcome
from service.store.customers.recording import RecordOutcome
from service.store.database.backend import Durability

READ_AT_ONCE = 20  # events, some milliseconds of work: then what is more urgent may pass

_DURABILITY = {
    Durability.DURABLE: pb.DURABILITY_DURABLE,
    Durability.RELAXED: pb.DURABILITY_RELAXED,
}
_CONFLICT = RefusedEvent(
    code_number(grpc.StatusCode.ALREADY_EXISTS), "event_id: already used with other content"
)
_INTERNAL = code_number(grpc.StatusCode.INTERNAL)
_UNAVAILABLE = RefusedEvent(
    code_number(grpc.StatusCode.UNAVAILABLE), "event: not stored; send it again"
)


class EventServicer(EventServiceServicer):
    """Answers `RecordEvents`."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._computing = threading.Lock()
        self._warnings = EventWarnings(dependencies.store, dependencies.names)

    def RecordEvents(  # noqa: N802
        self, request: pb.RecordEventsRequest, context: grpc.ServicerContext
    ) -> pb.RecordEventsResponse:
        """Store events; one that is refused leaves the others alone."""
        dependencies = self._dependencies
        check = Check()
        check.size("events", request.events, limits.EVENTS, minimum=1)
        check.raise_if_invalid()
        now = dependencies.clock.now()
        pace = _Pace(self._computing, context)
        read = []
        with pace:
            for number, message in enumerate(request.events):
                if number % READ_AT_ONCE == 0:
                    pace.give_way()
                read.append(read_event(message, dependencies.names, dependencies.key, now))
        events = [event for event in read if isinstance(event, Event)]
        stored = dependencies.store.record(events, now, pace) if events else []
        failures = [outcome for outcome in stored if isinstance(outcome, StoreUnavailable)]
        if failures and len(failures) == len(stored):
            dependencies.metrics.events.unavailable(len(read))
            raise failures[0]
        outcomes = iter(stored)
        snapshot = dependencies.active_release.snapshot
        response = pb.RecordEventsResponse(durability=_DURABILITY[dependencies.store.durability])
        for event in read:
            result = response.results.add()
            if isinstance(event, RefusedEvent):
                _refuse(result, event)
            else:
                _fill(result, event, next(outcomes), snapshot.catalogue)
                if result.outcome.code == 0:
                    warned = self._warnings.of(event, snapshot, now)
                    result.warnings.extend(int(warning) for warning in warned)  # type: ignore[misc]
        dependencies.metrics.events.add(response.results)
        return response


class _Pace:
    """Of the calls that record events, one computes while the others wait for the store."""

    def __init__(self, computing: threading.Lock, context: grpc.ServicerContext) -> None:
        self._computing = computing
        self._context = context

    def __enter__(self) -> None:
        self._computing.acquire()

    def __exit__(self, *error: object) -> None:
        self._computing.release()

    def give_way(self) -> None:
        give_way(self._context)


def _fill(
    result: pb.EventResult, event: Event, outcome: RecordOutcome, catalogue: Catalogue
) -> None:
    match outcome:
        case EventFault():
            reference = secrets.token_hex(8)
            log_fault(outcome.__cause__ or outcome, reference, "event")
            _refuse(result, RefusedEvent(_INTERNAL, internal_error_text(reference)))
        case StoreUnavailable():
            _refuse(result, _UNAVAILABLE)
        case EventOutcome.CONFLICT:
            _refuse(result, _CONFLICT)
        case _:
            result.outcome.SetInParent()
            result.duplicate = outcome is not EventOutcome.STORED
            result.unresolved = not _resolved(event, catalogue)


def _refuse(result: pb.EventResult, refused: RefusedEvent) -> None:
    result.outcome.code = refused.code
    result.outcome.detail = refused.detail


def _resolved(event: Event, catalogue: Catalogue) -> bool:
    """Tell whether the catalogue has the item and the offer that the event is about."""
    if event.item and event.item not in catalogue.items:
        return False
    return not event.offer or catalogue.offer(event.offer) is not None
