"""Wraps every method: safe parsing, opaque internal errors, a thread pool, and a count.

gRPC by itself answers bytes that do not parse with INTERNAL, and sends the text of an exception,
with whatever values it holds, to the caller. Here the first is INVALID_ARGUMENT, and of the second
the caller gets a reference to the log. Every call that is let in is counted by how it ended.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from math import inf
from typing import Any, cast

import grpc
import structlog
from google.protobuf.message import Message

from models.errors import ThroughlineError
from service.config.logs import log_fault
from service.contract.errors import (
    DeadlineTooShort,
    Draining,
    MalformedRequest,
    MethodNotImplemented,
)
from service.contract.status import (
    INTERNAL_ERROR,
    FailureKind,
    failure_kind,
    grpc_status,
    internal_error_status,
)
from service.metrics.calls import CallMetrics, MethodMetrics
from service.rpc.admission import Admission, Bulkhead
from service.rpc.call_context import CallContext
from service.rpc.kinds import LONGEST, kind_of
from service.rpc.open_calls import OpenCalls

_log = structlog.get_logger(__name__)

_DRAINING = failure_kind(Draining())

Behaviour = Callable[..., Any]

WATCHES = 100  # of health that may be open at once: every change is sent to each of them
ARRIVAL_SECONDS = 10.0  # from the head of a call to its whole request
ANSWER_SECONDS = 0.005  # of a caller's time, to answer in when the rest is over
STREAM_SECONDS = 30.0  # how long a stream with a thread of its own may be open
MIN_SECONDS_LEFT = 0.001  # no method answers faster: with less left, work would be for nobody


class _Unparsed:
    """Stands for a request whose bytes are not its message."""


_UNPARSED = _Unparsed()


class InterceptingServer:
    """Stands in for a server in the generated `add_..._to_server` functions; wraps what they add.

    Every method runs in the bulkhead of its kind, one of `bulkheads`.
    """

    def __init__(
        self,
        server: grpc.Server,
        bulkheads: Mapping[str, Bulkhead],
        calls: CallMetrics,
        admission: Admission,
    ) -> None:
        self._server = server
        self._bulkheads = bulkheads
        self._calls = calls
        self._admission = admission
        server.add_generic_rpc_handlers((_Unknown(calls),))
        # Bounds, by the caller's deadline, what a method asks of the store.
        self.within: Callable[[float], AbstractContextManager[None]] = lambda seconds: nullcontext()
        self._watches = OpenCalls(WATCHES, inf)
        self._arriving = OpenCalls(inf, ARRIVAL_SECONDS)
        self._streams = OpenCalls(inf, STREAM_SECONDS)  # each has a thread: that bounds them

    def as_server(self) -> grpc.Server:
        """Return self under the type that generated code asks for."""
        return cast(grpc.Server, self)

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Ignore the second registration, which generated code makes for old versions of gRPC."""

    def add_registered_method_handlers(
        self, service: str, handlers: "Mapping[str, grpc.RpcMethodHandler[Any, Any]]"
    ) -> None:
        """Register the methods of a service, each one wrapped."""
        wrapped = {
            name: self._intercepted(service, name, handler) for name, handler in handlers.items()
        }
        self._server.add_registered_method_handlers(service, wrapped)

    def end_streams(self) -> None:
        """End open streams (health watches, reflection), which would outlast any drain."""
        for open_calls in (self._watches, self._streams):
            open_calls.end_all()

    def end_overdue(self) -> None:
        """End what has been open for longer than it may; to be called every second or so."""
        for open_calls in (self._streams, self._arriving):
            open_calls.end_overdue()

    def _intercepted(
        self, service: str, name: str, handler: "grpc.RpcMethodHandler[Any, Any]"
    ) -> "grpc.RpcMethodHandler[Any, Any]":
        parse = cast(Any, handler.request_deserializer)
        message = str(parse.__self__.DESCRIPTOR.name)
        method = f"{service.rpartition('.')[2]}/{name}"
        calls = self._calls.method(method)
        kind = kind_of(method)
        bulkhead = self._bulkheads[kind]
        self._admission.register(f"/{service}/{name}", bulkhead, calls)
        safe, serializer = _safely(parse, calls), handler.response_serializer
        if handler.stream_stream:
            tracked = _tracked(handler.stream_stream, self._streams)
            stream = _intercepted_stream(tracked, message, method, calls)
            stream.experimental_thread_pool = bulkhead  # type: ignore[attr-defined]
            return grpc.stream_stream_rpc_method_handler(stream, safe, serializer)
        if handler.unary_stream:
            tracked = _tracked(handler.unary_stream, self._watches)
            watch = _intercepted(tracked, message, method, calls, None)
            watch.experimental_non_blocking = True  # type: ignore[attr-defined]
            watch.experimental_thread_pool = bulkhead  # type: ignore[attr-defined]
            return grpc.unary_stream_rpc_method_handler(watch, safe, serializer)
        bounded = _bounded(
            cast(Behaviour, handler.unary_unary), bulkhead, LONGEST[kind], self.within
        )
        unary = _intercepted(bounded, message, method, calls, self._arriving)
        unary.experimental_thread_pool = bulkhead  # type: ignore[attr-defined]
        # To gRPC it is a stream of one request, which says the same on the wire: so the request is
        # read here, where one that does not arrive can be given up.
        return grpc.stream_unary_rpc_method_handler(unary, safe, serializer)


def _tracked(behaviour: Behaviour, open_calls: OpenCalls) -> Behaviour:
    """Return a streaming behaviour whose calls are known while they are open."""

    def tracked(request: object, context: grpc.ServicerContext, *send: Behaviour) -> Any:
        open_calls.enter(context, *send)
        if not context.add_callback(lambda: open_calls.leave(context)):
            open_calls.leave(context)
        return behaviour(request, context, *send)

    return tracked


def _safely(parse: Callable[[bytes], Message], calls: MethodMetrics) -> Callable[[bytes], object]:
    """Return what parses a request; fields unknown to the contract are dropped, and counted."""

    def parsed(data: bytes) -> object:
        try:
            message = parse(data)
        except Exception:
            return _UNPARSED
        size = message.ByteSize()
        message.DiscardUnknownFields()
        if message.ByteSize() != size:
            calls.had_unknown_fields()
        return message

    return parsed


def _bounded(
    behaviour: Behaviour,
    bulkhead: Bulkhead,
    longest: float,
    within: Callable[[float], AbstractContextManager[None]],
) -> Behaviour:
    """Return a behaviour whose context bounds its time to `longest` seconds and can give way.

    What it asks `within` its time ends before that, so that there is time to say so.
    """

    def bounded(request: object, context: grpc.ServicerContext) -> Any:
        call = CallContext(context, bulkhead, longest)
        with within(max(0.0, call.time_remaining() - ANSWER_SECONDS)):
            return behaviour(request, call)

    return bounded


def _intercepted(
    behaviour: Behaviour,
    message: str,
    method: str,
    calls: MethodMetrics,
    arriving: OpenCalls | None,
) -> Behaviour:
    """Return what runs a behaviour on one request, which is still `arriving`.

    None: it is there, and the call goes on after the behaviour, until the caller leaves.
    """

    def ended(context: grpc.ServicerContext, started: int) -> None:
        code = _code_of(context)
        # Nothing but `end_streams` sets this code for a call that nobody refused.
        calls.ended(code, _DRAINING.reason if code is _DRAINING.code else "", started)

    def wrapped(request: Any, context: grpc.ServicerContext, *more: object) -> Any:
        started = time.perf_counter_ns()
        try:
            if context.time_remaining() < MIN_SECONDS_LEFT:
                raise DeadlineTooShort("deadline: too short")
            if arriving is not None:
                request = _arrived(request, context, arriving)
            if request is _UNPARSED:
                raise MalformedRequest(message)
            response = behaviour(request, context, *more)
        except grpc.RpcError:  # the caller left, or took too long to send: nobody to tell
            calls.ended(_code_of(context), "", started)
            raise
        except Exception as error:
            status, kind = _status_of(error, method)
        else:
            stays_open = arriving is None and context.add_callback(lambda: ended(context, started))
            if not stays_open:
                ended(context, started)
            return response
        calls.ended(kind.code, kind.reason, started)
        # Outside of the handler: it raises, to end the call.
        return context.abort_with_status(status)

    return wrapped


def _arrived(
    requests: Iterator[object], context: grpc.ServicerContext, arriving: OpenCalls
) -> object:
    """Return the request; raises `grpc.RpcError` when the call has ended before."""
    arriving.enter(context)
    try:
        return next(requests, _UNPARSED)
    finally:
        arriving.leave(context)


def _intercepted_stream(
    behaviour: Behaviour, message: str, method: str, calls: MethodMetrics
) -> Behaviour:
    def parsed(requests: Iterator[object]) -> Iterator[object]:
        for request in requests:
            if request is _UNPARSED:
                raise MalformedRequest(message)
            yield request

    def wrapped(requests: Iterator[object], context: grpc.ServicerContext) -> Iterator[object]:
        started = time.perf_counter_ns()
        try:
            yield from behaviour(parsed(requests), context)
        except Exception as error:
            if not context.is_active():
                calls.ended(grpc.StatusCode.CANCELLED, "", started)
                return  # the caller left, or we cancelled: nobody to tell
            status, kind = _status_of(error, method)
        else:
            calls.ended(_code_of(context), "", started)
            return
        calls.ended(kind.code, kind.reason, started)
        context.abort_with_status(status)

    return wrapped


class _Unknown(grpc.GenericRpcHandler):
    """Counts the calls of unknown methods, and leaves their answer to gRPC."""

    def __init__(self, calls: CallMetrics) -> None:
        self._calls = calls

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> None:
        self._calls.unknown()


def _status_of(error: Exception, method: str) -> tuple[grpc.Status, FailureKind]:
    if isinstance(error, NotImplementedError):  # so do generated methods that nobody wrote
        error = MethodNotImplemented("method: not implemented")
    if isinstance(error, ThroughlineError):
        kind = failure_kind(error)
        _log.debug("refused", method=method, code=kind.code.name)
        return grpc_status(error), kind
    reference = secrets.token_hex(8)
    log_fault(error, reference, method)
    return internal_error_status(reference), INTERNAL_ERROR


def _code_of(context: grpc.ServicerContext) -> grpc.StatusCode:
    """Return the status of a call whose handler has returned, or whose caller has left."""
    code: grpc.StatusCode | None = cast(Any, context).code()  # health tells NOT_FOUND this way
    if code is not None or context.is_active():
        return code or grpc.StatusCode.OK
    remaining = context.time_remaining()
    late = remaining is not None and remaining <= 0
    return grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
