"""Counts calls by how they ended, and measures them."""

import time
from collections.abc import Callable

import grpc
from prometheus_client import Counter

from service.contract.status import FAILURE_KINDS
from service.metrics.declared import CALL_DURATION, CALLS, UNKNOWN_FIELDS, Exported
from service.metrics.tally import Count, Durations, Tally

# Ends without a reason: an answer, or nobody left to take it.
_WITHOUT_REASON = (
    grpc.StatusCode.OK,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)
OUTCOMES = (
    *((code, "") for code in _WITHOUT_REASON),
    *((kind.code, kind.reason) for kind in FAILURE_KINDS),
)
OTHER = "other"  # the method of calls that name an unknown one


class MethodMetrics:
    """Counts the calls of one method."""

    def __init__(
        self,
        tally: Tally,
        seconds: Durations,
        child: Callable[[grpc.StatusCode, str], Counter],
        unknown_fields: Count,
    ) -> None:
        self._tally = tally
        self._seconds = seconds
        self._unknown_fields = unknown_fields
        self._child = child
        # All of them from the start: what appears with its first refusal shows no increase.
        self._ends = {end: tally.count(child(*end)) for end in OUTCOMES}
        self._ok = self._ends[grpc.StatusCode.OK, ""]

    def ended(self, code: grpc.StatusCode, reason: str, started: int) -> None:
        """Count a call that ends now; `started` by `time.perf_counter_ns`."""
        taken = time.perf_counter_ns() - started
        count = self._ok if code is grpc.StatusCode.OK else self._end(code, reason)
        with self._tally.lock:
            count.number += 1
            self._seconds.add(taken)

    def had_unknown_fields(self) -> None:
        """Count a request with fields that this version of the contract does not have."""
        with self._tally.lock:
            self._unknown_fields.number += 1

    def _end(self, code: grpc.StatusCode, reason: str) -> Count:
        end = (code, reason)
        if end not in self._ends:
            # A code set by health or reflection, which give no reason.
            end = (code, "")
            if end not in self._ends:
                self._ends[end] = self._tally.count(self._child(*end))
        return self._ends[end]


class CallMetrics:
    """Counts the calls of a server; every method is named once, at its start."""

    def __init__(self, tally: Tally, exported: Exported) -> None:
        self._tally = tally
        self._unknown_fields = exported[UNKNOWN_FIELDS]
        self._calls = exported[CALLS]
        self._seconds = exported[CALL_DURATION]
        self._unknown = tally.count(self._of(OTHER)(grpc.StatusCode.UNIMPLEMENTED, ""))

    def method(self, name: str) -> MethodMetrics:
        """Return what counts the calls of a method, `Service/Method`."""
        seconds = self._tally.durations(self._seconds.labels(name))
        unknown = self._tally.count(self._unknown_fields.labels(name))
        return MethodMetrics(self._tally, seconds, self._of(name), unknown)

    def unknown(self) -> None:
        """Count a call of an unknown method."""
        with self._tally.lock:
            self._unknown.number += 1

    def _of(self, method: str) -> Callable[[grpc.StatusCode, str], Counter]:
        return lambda code, reason: self._calls.labels(method, code.name, reason)
