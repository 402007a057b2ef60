"""Admission: a call beyond what is let in at once is refused before its request is even parsed.

gRPC has a cap of its own, whose refusals carry neither advice nor a count; it stays behind this
one, for the case that refusals themselves pile up. Health and reflection pass: an overloaded server
is alive, and says so.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from service.contract.errors import Overloaded
from service.contract.status import failure_kind, grpc_status
from service.metrics.calls import MethodMetrics

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]

T = TypeVar("T")

BACKSTOP = 64  # refusals that may wait at once before gRPC refuses without advice


class Admission(grpc.ServerInterceptor):
    """Lets in up to `limit` calls at once, waiting ones included, of the methods registered.

    Their threads must be of its `pool`s, which count the calls inside.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._inside = 0
        self._refusals: dict[str, Handler] = {}
        self._refusing = ThreadPoolExecutor(1, thread_name_prefix="refuse")

    def pool(self, name: str, threads: int) -> ThreadPoolExecutor:
        """Return a pool whose calls are counted."""
        return _CountingPool(self, name, threads)

    def register(self, path: str, calls: MethodMetrics) -> None:
        """Refuse calls of the method with this whole path when too many are inside."""
        self._refusals[path] = self._refusal(calls)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "Handler | None"],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Return the handler of a call, or one that refuses it."""
        handler = continuation(handler_call_details)
        if self._inside < self.limit or handler is None:
            return handler
        return self._refusals.get(handler_call_details.method, handler)

    def close(self) -> None:
        """End the thread that refuses."""
        self._refusing.shutdown()

    def entered(self) -> None:
        """Count one more inside."""
        with self._lock:
            self._inside += 1

    def left(self, _: "Future[Any]") -> None:
        """Count one less inside."""
        with self._lock:
            self._inside -= 1

    def _refusal(self, calls: MethodMetrics) -> "Handler":
        overloaded = Overloaded()
        kind, status = failure_kind(overloaded), grpc_status(overloaded)

        def refuse(request: bytes, context: grpc.ServicerContext) -> None:
            calls.ended(kind.code, kind.reason, time.perf_counter_ns())
            context.abort_with_status(status)

        refuse.experimental_thread_pool = self._refusing  # type: ignore[attr-defined]
        return grpc.unary_unary_rpc_method_handler(refuse)


class _CountingPool(ThreadPoolExecutor):
    """Threads whose tasks, waiting or running, count as inside."""

    def __init__(self, admission: Admission, name: str, threads: int) -> None:
        super().__init__(threads, thread_name_prefix=name)
        self._admission = admission

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Submit a call, which is inside until it is done."""
        self._admission.entered()
        try:
            future = super().submit(fn, *args, **kwargs)
        except RuntimeError:  # shut down
            self._admission.left(Future())
            raise
        future.add_done_callback(self._admission.left)
        return future
