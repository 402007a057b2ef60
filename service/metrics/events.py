"""Counts events by what became of each, as its result says."""

import re
from collections import Counter as Multiset
from collections.abc import Iterable

import grpc
from throughline.v1.event_pb2 import EventResult

from models.domain.input.reasons import Refusal
from models.domain.input.warnings import Warned
from service.contract.status import code_number
from service.metrics.declared import EVENT_WARNINGS, EVENTS, UNRESOLVED_EVENTS, Exported
from service.metrics.tally import Tally

STORED, DUPLICATE, CONFLICT = "stored", "duplicate", "conflict"
UNAVAILABLE, REFUSED, FAULT = "unavailable", "refused", "fault"
OTHER = "other"
_NO_LETTER = re.compile("[^a-z0-9]+")


def _label(reason: str) -> str:
    return _NO_LETTER.sub("_", reason.lower()).strip("_")


# Why an event is refused: the reason that its sender is told, without the field and the limit.
REFUSALS = frozenset({*map(_label, Refusal), OTHER})
OUTCOMES = (
    *((outcome, "") for outcome in (STORED, DUPLICATE, CONFLICT, UNAVAILABLE, FAULT)),
    *((REFUSED, reason) for reason in sorted(REFUSALS)),
)

_CONFLICT = code_number(grpc.StatusCode.ALREADY_EXISTS)
_INTERNAL = code_number(grpc.StatusCode.INTERNAL)
_UNAVAILABLE = code_number(grpc.StatusCode.UNAVAILABLE)


class EventMetrics:
    """Counts the events that a server received."""

    def __init__(self, tally: Tally, exported: Exported) -> None:
        events = exported[EVENTS]
        self._lock = tally.lock
        self._ends = {end: tally.count(events.labels(*end)) for end in OUTCOMES}
        self._unresolved = tally.count(exported[UNRESOLVED_EVENTS])
        warnings = exported[EVENT_WARNINGS]
        self._warnings = {
            int(warned): tally.count(warnings.labels(warned.name.lower())) for warned in Warned
        }

    def add(self, results: Iterable[EventResult]) -> None:
        """Count the events of one call by their results."""
        ends: Multiset[tuple[str, str]] = Multiset()
        unresolved = 0
        warnings: Multiset[int] = Multiset()
        for result in results:
            ends[_end(result)] += 1
            unresolved += result.unresolved
            warnings.update(result.warnings)
        with self._lock:
            for end, number in ends.items():
                self._ends[end].number += number
            self._unresolved.number += unresolved
            for warning, number in warnings.items():
                self._warnings[warning].number += number

    def unavailable(self, number: int) -> None:
        """Count events of a call that failed as a whole, because nothing could be stored."""
        with self._lock:
            self._ends[UNAVAILABLE, ""].number += number


def refusal_label(detail: str) -> str:
    """Return the label for `<field>: <reason>[; limit]`, one of `REFUSALS`."""
    reason = detail.partition(": ")[2].partition(";")[0]
    label = _label(reason)
    return label if label in REFUSALS else OTHER


def _end(result: EventResult) -> tuple[str, str]:
    code = result.outcome.code
    if code == 0:
        return (DUPLICATE if result.duplicate else STORED), ""
    if code == _CONFLICT:
        return CONFLICT, ""
    if code == _UNAVAILABLE:
        return UNAVAILABLE, ""
    if code == _INTERNAL:
        return FAULT, ""
    return REFUSED, refusal_label(result.outcome.detail)
