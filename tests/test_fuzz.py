"""Well-formed messages with nasty values: every method answers, or refuses as a client's fault."""

import math
from collections.abc import Iterator
from typing import Any, cast

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.running import Running, running
from tests.test_bad_input import METHODS

NAMES = ["web", "email", "view", "purchase", "attributes_changed", "loyalty", "email_sha256", "EUR"]
TEXTS = [*NAMES, "", "item1", "item:item1", "coupon:one", "\x00", "\u202e", "a" * 300, "0", "ä"]
NUMBERS = [0, 1, -1, 7, 10**9, -(2**31), 2**31 - 1]
WIDE = [*NUMBERS, 2**63 - 1, -(2**63), 1_700_000_000, 253_402_300_800]
FLOATS = [0.0, 1.5, -1.0, 1e308, math.nan, math.inf, -math.inf]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with running(tmp_path_factory.mktemp("fuzz")) as started:
        yield started


def value(draw: st.DrawFn, field: FieldDescriptor) -> Any:
    """Draw a value for a field that is no message."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return draw(st.sampled_from(TEXTS))
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return draw(st.sampled_from(FLOATS))
    if field.cpp_type == FieldDescriptor.CPPTYPE_INT64:
        return draw(st.sampled_from(WIDE))
    return draw(st.sampled_from(NUMBERS))


def fill(draw: st.DrawFn, message: Message) -> None:
    """Give some fields of a message some value."""
    for field in cast(Descriptor, message.DESCRIPTOR).fields:
        if not draw(st.booleans()):
            continue
        present = getattr(message, field.name)
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            key = draw(st.sampled_from(TEXTS))
            if entry.fields_by_name["value"].message_type is None:
                present[key] = draw(st.sampled_from(TEXTS))
            else:
                fill(draw, present[key])
        elif entry is not None:
            many = draw(st.integers(1, 3)) if field.is_repeated else 1
            for _ in range(many):
                fill(draw, present.add() if field.is_repeated else present)
        elif field.is_repeated:
            present.extend(value(draw, field) for _ in range(draw(st.integers(1, 3))))
        else:
            setattr(message, field.name, value(draw, field))


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, Message]:
    """Draw a method and a request of it."""
    method = draw(st.sampled_from(sorted(METHODS)))
    message = METHODS[method]()
    fill(draw, message)
    return method, message


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(requests())
def test_no_message_makes_an_internal_error(live: Running, asked: tuple[str, Message]) -> None:
    """Whatever a request holds, the answer is never our fault."""
    method, message = asked
    try:
        live.raw(method, message.SerializeToString())
    except grpc.RpcError as error:
        code, text = error.code(), cast(str, error.details())
    else:
        return
    assert code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), text
    assert len(text) < 200
