"""What callers leave open or send slowly is bounded, and keeps nobody else from an answer."""

import resource
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from service.rpc import interceptor
from service.rpc.admission import CALLS_PER_THREAD
from service.rpc.interceptor import WATCHES
from service.server.connections import OTHER_FILES, most_connections, raise_file_limit
from tests.support.channels import channel_to
from tests.support.in_process import Running, recommend_request, running
from tests.support.waiting import PATIENCE, eventually

pytestmark = pytest.mark.machine


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with running(tmp_path_factory.mktemp("connections")) as started:
        yield started


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """What a test opens, closed after it."""
    with ExitStack() as stack:
        yield stack


def channel(live: Running, opened: ExitStack) -> grpc.Channel:
    """Return a channel of its own connection."""
    return opened.enter_context(channel_to(f"127.0.0.1:{live.server.port}"))


def healthy(live: Running) -> bool:
    """Ask for the health, which must be told within a second."""
    stub: Any = health_pb2_grpc.HealthStub(live.channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_open_reflection_streams_stop_neither_health_nor_calls(
    live: Running, opened: ExitStack
) -> None:
    """However many streams are open, all others are answered; beyond a few they are refused."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel(live, opened))
    streams: list[Any] = []
    for _ in range(2 * CALLS_PER_THREAD + 4):
        streams.append(stub.ServerReflectionInfo(_asks_and_stays()))
        opened.callback(streams[-1].cancel)
    assert next(streams[0]).HasField("list_services_response")
    assert healthy(live)
    assert live.recommend("a").offers
    assert eventually(lambda: sum(one.done() for one in streams) == 4)
    assert {one.code() for one in streams if one.done()} == {grpc.StatusCode.RESOURCE_EXHAUSTED}


def _asks_and_stays() -> Iterator[reflection_pb2.ServerReflectionRequest]:
    yield reflection_pb2.ServerReflectionRequest(list_services="")
    time.sleep(5)


def test_a_stream_that_stays_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that holds a thread is ended by the server after a while."""
    monkeypatch.setattr(interceptor, "STREAM_SECONDS", 0.5)
    with running(tmp_path) as live:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(live.channel)
        stream = stub.ServerReflectionInfo(_asks_and_stays(), timeout=PATIENCE)
        assert next(stream).HasField("list_services_response")
        with pytest.raises(grpc.RpcError) as raised:
            next(stream)
        assert raised.value.code() == grpc.StatusCode.CANCELLED


def test_watches_of_health_are_bounded(live: Running, opened: ExitStack) -> None:
    """So many watches are open at once, further ones are refused, and checks are answered."""
    watches: list[Any] = []
    for _ in range(3):
        stub: Any = health_pb2_grpc.HealthStub(channel(live, opened))
        for _ in range(WATCHES // 2):
            watches.append(stub.Watch(health_pb2.HealthCheckRequest()))
            opened.callback(watches[-1].cancel)
            try:
                next(watches[-1])
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED  # noqa: PT017
    assert sum(not watch.done() for watch in watches) == WATCHES
    assert healthy(live)
    assert live.recommend("a").offers


def test_a_request_that_does_not_arrive_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that never send their request to its end give their threads back."""
    monkeypatch.setattr(interceptor, "ARRIVAL_SECONDS", 0.5)
    with running(tmp_path, decide_threads=1) as live:
        call: Any = live.channel.stream_unary("/throughline.v1.RecommendationService/Recommend")

        def nothing() -> Iterator[bytes]:
            time.sleep(20)
            yield b""

        stalled = [call.future(nothing(), timeout=PATIENCE) for _ in range(3)]
        assert live.recommend("a").offers
        assert stalled[0].exception(timeout=PATIENCE).code() == grpc.StatusCode.CANCELLED
        for one in stalled:
            one.cancel()


def test_many_idle_connections_cost_nobody_an_answer(live: Running, opened: ExitStack) -> None:
    """Beside 1,100 connections that say nothing calls on old and new connections are answered."""
    raise_file_limit()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 3_000:
        pytest.skip(f"NOT TESTED: this system allows {soft} open files")
    for _ in range(1_100):
        idle = socket.create_connection(("127.0.0.1", live.server.port), PATIENCE)
        opened.callback(idle.close)
    assert healthy(live)
    assert live.recommend("a").offers
    call: Any = channel(live, opened).unary_unary("/throughline.v1.RecommendationService/Recommend")
    assert call(recommend_request("a").SerializeToString(), timeout=10)


def test_what_speaks_no_http2_is_closed(live: Running) -> None:
    """A connection that says nothing is closed within seconds."""
    with socket.create_connection(("127.0.0.1", live.server.port), 30) as idle:
        begun = time.monotonic()
        while idle.recv(1_000):
            pass
        assert time.monotonic() - begun < 20


def test_connections_leave_files_for_the_rest() -> None:
    """The bound of connections stays below the limit of open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    _, most = most_connections()
    assert 64 <= most <= max(64, soft - OTHER_FILES)


def test_floods_of_pings_end_the_connection(live: Running) -> None:
    """A client that pings without end is told to calm down; others notice nothing."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">I", 0)[1:] + b"\x04\0\0\0\0\0"
    ping = b"\0\0\x08\x06\0\0\0\0\0" + b"12345678"
    with socket.create_connection(("127.0.0.1", live.server.port), 30) as rude:
        rude.sendall(preface)
        received = b""
        for _ in range(50):
            try:
                rude.sendall(ping)
                received += rude.recv(4_096)
            except OSError:
                break
            time.sleep(0.01)
        assert b"too_many_pings" in received
    assert healthy(live)
