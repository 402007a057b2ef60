"""Admission: a call beyond what its kind lets in at once is refused before its request is read.

Each kind of call has a bulkhead: threads of its own, and a short queue before them. So one kind
that is called far more often than can be answered fills its own places and nobody else's. A queue
is short for its threads: what would wait longer than its caller does is better refused at once.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from service.contract.errors import Overloaded
from service.contract.status import failure_kind, grpc_status
from service.metrics.calls import MethodMetrics

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]

T = TypeVar("T")

CALLS_PER_THREAD = 8  # inside at once: one that runs and seven that wait
# What can wait is done in parts of so long, and before each waits for what is urgent, though never
# longer than that: under any load a few hundredths of the time are left for it.
PART_SECONDS = 0.002
GIVE_WAY_SECONDS = 0.05


class Bulkhead(ThreadPoolExecutor):
    """The threads of one kind of call; lets in `limit` calls at once, those that wait included.

    `inside` is how many are, and `ended` how many have ended so far. The calls of one that stands
    `behind` another give way to those of that one.
    """

    def __init__(self, name: str, threads: int, behind: "Bulkhead | None" = None) -> None:
        super().__init__(threads, thread_name_prefix=name)
        self.limit = threads * CALLS_PER_THREAD
        self.ended = 0
        self.inside = 0
        self._behind = behind
        self._empty = threading.Event()
        self._part = threading.local()  # `end`: when this thread gives way again
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        """Tell whether no further call is let in."""
        return self.inside >= self.limit

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Submit a call, which is inside until it is done."""
        with self._lock:
            self.inside += 1
            self._empty.clear()
        try:
            if self._behind is None:
                future = super().submit(fn, *args, **kwargs)
            else:
                future = super().submit(self._after, fn, *args, **kwargs)
        except RuntimeError:  # shut down
            self._left(Future())
            raise
        future.add_done_callback(self._left)
        return future

    def give_way(self) -> None:
        """Wait until the bulkhead in front is empty, if this thread has worked for a part."""
        if self._behind is None or time.monotonic() < self._part.end:
            return
        if self._behind.inside:
            self._behind._empty.wait(GIVE_WAY_SECONDS)
        self._part.end = time.monotonic() + PART_SECONDS

    def _after(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        self._part.end = 0.0
        self.give_way()
        return fn(*args, **kwargs)

    def _left(self, _: "Future[Any]") -> None:
        with self._lock:
            self.inside -= 1
            self.ended += 1
            if not self.inside:
                self._empty.set()


class Admission(grpc.ServerInterceptor):
    """Refuses calls of the methods registered while their bulkhead is full."""

    def __init__(self) -> None:
        self._bulkheads: dict[str, Bulkhead] = {}
        self._refusals: dict[str, Handler] = {}
        self._at_once = _AtOnce()

    def register(self, path: str, bulkhead: Bulkhead, calls: MethodMetrics) -> None:
        """Refuse calls of the method with this whole path while the bulkhead is full."""
        self._bulkheads[path] = bulkhead
        self._refusals[path] = self._refusal(calls)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "Handler | None"],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Return the handler of a call, or one that refuses it."""
        bulkhead = self._bulkheads.get(handler_call_details.method)
        if bulkhead is not None and bulkhead.full:
            return self._refusals[handler_call_details.method]
        return continuation(handler_call_details)

    def _refusal(self, calls: MethodMetrics) -> "Handler":
        overloaded = Overloaded()
        kind, status = failure_kind(overloaded), grpc_status(overloaded)

        def refuse(requests: Iterator[bytes], context: grpc.ServicerContext) -> None:
            calls.ended(kind.code, kind.reason, time.perf_counter_ns())
            context.abort_with_status(status)

        refuse.experimental_thread_pool = self._at_once  # type: ignore[attr-defined]
        # As if of a stream: its requests are read by the handler, and this one reads none. A
        # request that is never sent to its end would hold up whoever waits for it.
        return grpc.stream_unary_rpc_method_handler(refuse)


class _AtOnce(ThreadPoolExecutor):
    """Runs what never blocks where it is submitted: no thread has to wait for its turn."""

    def __init__(self) -> None:
        super().__init__(1)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Run it, and return its result as a future that is done."""
        done: Future[T] = Future()
        done.set_result(fn(*args, **kwargs))
        return done
