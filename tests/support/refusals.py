"""Requests that must be refused, and everything that a refusal tells; and every method there is."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import NamedTuple, cast

import grpc
import pytest
import throughline.v1
from google.protobuf import message_factory
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.support.in_process import Running

INVALID = grpc.StatusCode.INVALID_ARGUMENT


class Refusal(NamedTuple):
    """A status with its details: `retry` in seconds, 0 for no advice."""

    code: grpc.StatusCode
    details: str
    reason: str
    violations: frozenset[str]
    retry: int


# What follows the refusal of a name: which there are.
CHANNELS_TOLD = (
    "one of app, call_center, direct_mail, email, kiosk, push, sms, store, till, tv, web"
)
INTENTS_TOLD = "one of default, discovery, replenish, service"
CLASSES_TOLD = "one of marketing, service, transactional"
NAMESPACES_TOLD = (
    "one of case, cookie, crm, device, email_sha256, household, kiosk, loyalty, phone_sha256, till,"
    " user"
)


def wrong(*violations: str) -> Refusal:
    """Return the refusal of a request that is wrong in these ways, the first of them told first."""
    return Refusal(INVALID, violations[0], "INVALID_REQUEST", frozenset(violations), 0)


def refused(live: Running, method: str, request: Message | bytes) -> Refusal:
    """Send a request that must be refused, and return how it was."""
    data = request if isinstance(request, bytes) else request.SerializeToString()
    with pytest.raises(grpc.RpcError) as raised:
        live.raw(method, data)
    return refusal(raised.value)


def refusal(error: grpc.RpcError) -> Refusal:
    """Return what an error tells; without details of ours `reason` is empty."""
    call = cast(grpc.Call, error)
    status = rpc_status.from_call(call)
    reason, retry, violations = "", 0, set()
    for packed in [] if status is None else status.details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        advice = error_details_pb2.RetryInfo()
        if packed.Unpack(info):
            assert info.domain == "throughline"
            reason = info.reason
        elif packed.Unpack(bad):
            violations = {f"{one.field}: {one.description}" for one in bad.field_violations}
        elif packed.Unpack(advice):
            retry = advice.retry_delay.seconds
    return Refusal(call.code(), call.details() or "", reason, frozenset(violations), retry)


def _services() -> Iterator[ServiceDescriptor]:
    for module in pkgutil.iter_modules(throughline.v1.__path__):
        if module.name.endswith("_pb2"):
            file = importlib.import_module(f"throughline.v1.{module.name}").DESCRIPTOR
            yield from file.services_by_name.values()


# Every method of the contract, as the descriptors say, and the message that it takes.
SERVICES = tuple(_services())
METHODS: dict[str, type[Message]] = {
    f"{service.name}/{method.name}": message_factory.GetMessageClass(method.input_type)
    for service in SERVICES
    for method in service.methods
}
