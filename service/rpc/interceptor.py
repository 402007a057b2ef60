"""Wraps every method: safe parsing, opaque internal errors, a thread pool, and a count.

gRPC by itself answers bytes that do not parse with INTERNAL, and sends the text of an exception,
with whatever values it holds, to the caller. Here the first is INVALID_ARGUMENT, and of the second
the caller gets a reference to the log. Every call that is let in is counted by how it ended.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
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
from service.rpc.admission import Admission

_log = structlog.get_logger(__name__)

_DRAINING = failure_kind(Draining())

Behaviour = Callable[..., Any]

MIN_SECONDS_LEFT = 0.001  # no method answers faster: with less left, work would be for nobody


class _Unparsed:
    """Stands for a request whose bytes are not its message."""


_UNPARSED = _Unparsed()


class InterceptingServer:
    """Stands in for a server in the generated `add_..._to_server` functions; wraps what they add.

    `pools` names the thread pool of a method, as `Service/Method` or as `Service` for the rest of
    it; all other methods run in the server's own pool, and are always let in.
    """

    def __init__(
        self,
        server: grpc.Server,
        pools: Mapping[str, ThreadPoolExecutor],
        calls: CallMetrics,
        admission: Admission,
    ) -> None:
        self._server = server
        self._pools = pools
        self._calls = calls
        self._admission = admission
        server.add_generic_rpc_handlers((_Unknown(calls),))
        # Open streams, each with what sends its next answer if it is one that never blocks.
        self._streams: dict[grpc.ServicerContext, Behaviour | None] = {}
        self._lock = threading.Lock()

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
        status = grpc_status(Draining())
        with self._lock:
            open_now = list(self._streams.items())
        for context, send in open_now:
            if send is None:
                context.cancel()
                continue
            context.set_code(status.code)
            context.set_details(status.details)
            context.set_trailing_metadata(status.trailing_metadata)
            send(None)

    def _intercepted(
        self, service: str, name: str, handler: "grpc.RpcMethodHandler[Any, Any]"
    ) -> "grpc.RpcMethodHandler[Any, Any]":
        parse = cast(Any, handler.request_deserializer)
        message = str(parse.__self__.DESCRIPTOR.name)
        method = f"{service.rpartition('.')[2]}/{name}"
        calls = self._calls.method(method)
        safe, serializer = _safely(parse, calls), handler.response_serializer
        if handler.stream_stream:
            stream = self._tracked(
                _intercepted_stream(handler.stream_stream, message, method, calls)
            )
            return grpc.stream_stream_rpc_method_handler(stream, safe, serializer)
        if handler.unary_stream:
            watch = self._tracked(
                _intercepted(handler.unary_stream, message, method, calls, stays_open=True)
            )
            for attribute in ("experimental_non_blocking", "experimental_thread_pool"):
                setattr(watch, attribute, getattr(handler.unary_stream, attribute, None))
            return grpc.unary_stream_rpc_method_handler(watch, safe, serializer)
        unary = _intercepted(cast(Behaviour, handler.unary_unary), message, method, calls)
        pool = self._pools.get(method) or self._pools.get(method.partition("/")[0])
        if pool is not None:
            unary.experimental_thread_pool = pool  # type: ignore[attr-defined]
            self._admission.register(f"/{service}/{name}", calls)
        return grpc.unary_unary_rpc_method_handler(unary, safe, serializer)

    def _tracked(self, behaviour: Behaviour) -> Behaviour:
        def tracked(request: object, context: grpc.ServicerContext, *more: Behaviour) -> Any:
            with self._lock:
                self._streams[context] = more[0] if more else None
            if not context.add_callback(lambda: self._forget(context)):
                self._forget(context)
            return behaviour(request, context, *more)

        return tracked

    def _forget(self, context: grpc.ServicerContext) -> None:
        with self._lock:
            self._streams.pop(context, None)


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


def _intercepted(
    behaviour: Behaviour, message: str, method: str, calls: MethodMetrics, stays_open: bool = False
) -> Behaviour:
    """`stays_open`: the call goes on when the behaviour has returned, until the caller leaves."""

    def ended(context: grpc.ServicerContext, started: int) -> None:
        code = _code_of(context)
        # Nothing but `end_streams` sets this code for a call that nobody refused.
        calls.ended(code, _DRAINING.reason if code is _DRAINING.code else "", started)

    def wrapped(request: object, context: grpc.ServicerContext, *more: object) -> Any:
        started = time.perf_counter_ns()
        try:
            if context.time_remaining() < MIN_SECONDS_LEFT:
                raise DeadlineTooShort("deadline: too short")
            if request is _UNPARSED:
                raise MalformedRequest(message)
            response = behaviour(request, context, *more)
        except Exception as error:
            status, kind = _status_of(error, method)
        else:
            if not (stays_open and context.add_callback(lambda: ended(context, started))):
                ended(context, started)
            return response
        calls.ended(kind.code, kind.reason, started)
        # Outside of the handler: it raises, to end the call.
        return context.abort_with_status(status)

    return wrapped


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
