"""Bad calls of any method: what each case must be told.

| input | answer |
|---|---|
| not the message, bad UTF-8, nesting > 100, wrong wire types | INVALID_ARGUMENT with its name |
| over 4 MiB, a gzip bomb, metadata over the limit | RESOURCE_EXHAUSTED of gRPC itself |
| unknown method | UNIMPLEMENTED |
| unknown compression | INTERNAL of gRPC itself, before any code of ours |
| too many calls at once | RESOURCE_EXHAUSTED with advice, before the request is parsed |
| unknown fields | left out, and counted |
| no release yet | UNAVAILABLE with advice |
| deadline passed, or too short | DEADLINE_EXCEEDED, nothing started |
| a fault of ours | INTERNAL with a reference only |
"""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from throughline.v1 import recommendation_pb2
from throughline.v1.recommendation_pb2 import ContextItem

from service.config.logs import log_fault
from service.rpc.admission import CALLS_PER_THREAD
from tests.support import http2
from tests.support.in_process import Running, recommend_request, running
from tests.support.refusals import INVALID, METHODS, Refusal, refusal, refused, wrong
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.machine

SECRET = "canary-4711"
RECOMMEND = "RecommendationService/Recommend"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with running(tmp_path_factory.mktemp("any")) as started:
        yield started


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xff\xff\xff\xff", id="bytes that are not the message"),
        pytest.param(b"\x0a\x05a", id="cut"),
        pytest.param(b"\xa3\x06" * 101 + b"\xa4\x06" * 101, id="nesting over 100"),
        pytest.param(b"\x0e\x01", id="wire type 6"),
        pytest.param(b"\x0f\x01", id="wire type 7"),
    ],
)
def test_bytes_that_are_no_message(live: Running, method: str, data: bytes) -> None:
    """Bytes that do not parse are INVALID_ARGUMENT, naming the message that was wanted."""
    text = f"request: not a valid {METHODS[method].DESCRIPTOR.name}"
    expected = Refusal(INVALID, text, "MALFORMED_REQUEST", frozenset([text]), 0)
    assert refused(live, method, data) == expected


@pytest.mark.parametrize(
    "text",
    [b"\xc3\x28", b"\xed\xa0\x80", b"\xff"],
    ids=["cut sequence", "lone surrogate", "no UTF-8"],
)
def test_text_that_is_no_utf8(live: Running, text: bytes) -> None:
    """A string field whose bytes are not UTF-8, or a lone surrogate, is INVALID_ARGUMENT."""
    told = refused(live, RECOMMEND, b"\x12" + bytes([len(text)]) + text)
    assert (told.code, told.details) == (INVALID, "request: not a valid RecommendRequest")


def test_wrong_wire_type_of_a_known_field(live: Running) -> None:
    """A known field under another wire type is an unknown field: what it should say is missing."""
    data = recommend_request("a", channel="").SerializeToString() + b"\x10\x01"
    assert refused(live, RECOMMEND, data) == wrong("channel: required")


@pytest.mark.parametrize(
    ("size", "compression"),
    [(5 << 20, grpc.Compression.NoCompression), (60 << 20, grpc.Compression.Gzip)],
    ids=["message over 4 MiB", "gzip bomb"],
)
def test_message_beyond_the_limit(live: Running, size: int, compression: grpc.Compression) -> None:
    """More than 4 MiB, on the wire or unpacked, is RESOURCE_EXHAUSTED without advice to retry."""
    call: Any = live.channel.unary_unary(f"/throughline.v1.{RECOMMEND}")
    with pytest.raises(grpc.RpcError) as raised:
        call(bytes(size), timeout=PATIENCE, compression=compression)
    told = refusal(raised.value)
    assert (told.code, told.retry) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 0)


def test_metadata_beyond_the_limit(live: Running) -> None:
    """More metadata than the hard limit is RESOURCE_EXHAUSTED, and its value is not repeated."""
    call: Any = live.channel.unary_unary(f"/throughline.v1.{RECOMMEND}")
    metadata = (("note", SECRET + "x" * 20_000),)
    with pytest.raises(grpc.RpcError) as raised:
        call(b"", timeout=PATIENCE, metadata=metadata)
    told = refusal(raised.value)
    assert (told.code, told.retry) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 0)
    assert SECRET not in told.details


def test_unknown_method(live: Running) -> None:
    """A method or a service that does not exist is UNIMPLEMENTED."""
    for method in ("EventService/Nothing", "NoService/Nothing"):
        assert refused(live, method, b"").code == grpc.StatusCode.UNIMPLEMENTED


def test_unknown_compression(live: Running) -> None:
    """An unknown compression is refused by gRPC itself; no code of ours sees it, nothing leaks."""
    data = recommend_request(SECRET).SerializeToString()
    answer = http2.call(live.server.port, RECOMMEND, data, grpc_encoding="zip-4711")
    assert answer.code in (grpc.StatusCode.UNIMPLEMENTED.value[0], 13)
    assert "4711" not in answer.details


def test_too_many_calls_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call beyond the cap is RESOURCE_EXHAUSTED at once, with advice; the others are answered."""
    with running(tmp_path, decide_threads=1) as live:
        entered, leave = threading.Semaphore(0), threading.Event()
        read = live.server.dependencies.store.read

        def wait(*arguments: Any) -> Any:
            entered.release()
            leave.wait(PATIENCE)
            return read(*arguments)

        monkeypatch.setattr(live.server.dependencies.store, "read", wait)
        request = recommend_request("a")
        calls = [
            live.client.recommendations.Recommend.future(request, timeout=PATIENCE)
            for _ in range(CALLS_PER_THREAD)
        ]
        assert entered.acquire(timeout=PATIENCE)  # one runs; those sent after it are in the queue
        told = [refused(live, RECOMMEND, data) for data in (request, b"\xff\xff")]
        health: Any = health_pb2_grpc.HealthStub(live.channel)
        alive = health.Check(health_pb2.HealthCheckRequest())
        leave.set()
        code = grpc.StatusCode.RESOURCE_EXHAUSTED
        assert told == 2 * [Refusal(code, "overloaded", "OVERLOADED", frozenset(), 1)]
        assert alive.status == health_pb2.HealthCheckResponse.SERVING
        assert all(call.result().offers for call in calls)
        assert live.recommend("b").offers


def test_unknown_fields(tmp_path: Path) -> None:
    """Fields that the contract does not have, at any depth, are left out, and counted by method."""
    with running(tmp_path) as live:
        unknown = b"\xfa\xff\x03\x05later"
        request = recommend_request("a", context_items=[ContextItem(item_id="item1")])
        plain = request.SerializeToString()
        nested = request.context_items[0]
        nested.MergeFromString(nested.SerializeToString() + unknown)
        answers = [
            recommendation_pb2.RecommendResponse.FromString(live.raw(RECOMMEND, data))
            for data in (plain, plain + unknown, request.SerializeToString())
        ]
        shown = [[offer.offer_id for offer in answer.offers] for answer in answers]
        assert shown[0] == shown[1] == shown[2]
        counted = {
            tuple(sample.labels.values()): sample.value
            for metric in live.server.dependencies.metrics.collect()
            if metric.name == "throughline_unknown_fields"
            for sample in metric.samples
            if sample.value
        }
        assert counted == {(RECOMMEND,): 2}


def test_no_release_yet(tmp_path: Path) -> None:
    """Without a release deciding is UNAVAILABLE, with advice when to try again."""
    with running(tmp_path, promoted=False) as live:
        code = grpc.StatusCode.UNAVAILABLE
        expected = Refusal(code, "model: none loaded", "NO_RELEASE", frozenset(), 5)
        assert refused(live, RECOMMEND, recommend_request("a")) == expected
        batch = recommendation_pb2.RecommendBatchRequest(requests=[recommend_request("a")])
        assert refused(live, "RecommendationService/RecommendBatch", batch) == expected


def test_deadline_too_short(live: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call with less than a millisecond left is DEADLINE_EXCEEDED, and nothing is started."""
    started: list[object] = []
    monkeypatch.setattr(
        live.server.dependencies.store, "read", lambda *asked: started.append(asked)
    )
    data = recommend_request("a").SerializeToString()
    answers = [
        http2.call(live.server.port, RECOMMEND, data, grpc_timeout="100u") for _ in range(20)
    ]
    assert {answer.code for answer in answers} == {grpc.StatusCode.DEADLINE_EXCEEDED.value[0]}
    assert "deadline: too short" in {answer.details for answer in answers}
    assert started == []


def test_work_that_expired_in_the_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call whose deadline passed while it waited for a thread is never started."""
    with running(tmp_path, decide_threads=1) as live:
        entered, leave = threading.Event(), threading.Event()
        started: list[object] = []
        read = live.server.dependencies.store.read

        def wait(*arguments: Any) -> Any:
            started.append(arguments)
            entered.set()
            leave.wait(PATIENCE)
            return read(*arguments)

        monkeypatch.setattr(live.server.dependencies.store, "read", wait)
        ask = live.client.recommendations.Recommend.future
        first = ask(recommend_request("a"), timeout=PATIENCE)
        assert entered.wait(PATIENCE)
        late = [ask(recommend_request("b"), timeout=0.1) for _ in range(5)]
        codes = [call.code() for call in late]
        leave.set()
        assert first.result().offers
        assert live.recommend("c").offers
        assert codes == [grpc.StatusCode.DEADLINE_EXCEEDED] * 5
        assert len(started) == 2


def test_fault_of_ours_is_opaque(
    live: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The text of an unexpected error reaches neither caller nor log; a reference joins both."""

    def fail(*arguments: object) -> None:
        raise KeyError(SECRET)

    monkeypatch.setattr(live.server.dependencies.store, "read", fail)
    with caplog.at_level(logging.ERROR):
        told = refused(live, RECOMMEND, recommend_request("s"))
    assert (told.code, told.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert told.details.startswith("internal error; ref=")
    assert SECRET not in told.details + caplog.text


def test_fault_is_logged_by_its_frames(capsys: pytest.CaptureFixture[str]) -> None:
    """The log of a fault has its type, its frames and its reference, and not its text."""
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        log_fault(error, "ref1", "here")
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert "KeyError" in text
    assert "test_input_any.py" in text
    assert SECRET not in text
