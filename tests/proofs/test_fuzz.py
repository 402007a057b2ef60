"""Fuzz of every method over real channels to a real process: no fault of ours, nothing repeated.

`make test` sends a few thousand requests, `make prove` 100,000.
"""

import os
import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, cast

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from throughline.v1 import offer_pb2

from models.release.registry import Registry
from service.client import connect
from tests.support.fuzzing import Fuzzer, Method, methods_of, refused_details
from tests.support.in_process import enter_release
from tests.support.proof_table import Proof
from tests.support.refusals import METHODS, SERVICES
from tests.support.server_processes import Served, served

pytestmark = pytest.mark.machine

CLIENTS = 4
GROWTH_MIB = 24  # of resident memory, from a fifth of the run on
OURS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
# What a server that is up and not overloaded may say to anything at all.
EXPECTED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.ABORTED,  # two promotions at once
}


# There is nothing before the release in force.
NEVER_OK = {"ReleaseService/RollbackRelease"}
PACKAGE = "/throughline.v1."


class Told(NamedTuple):
    """What came of requests: how often each code, how long each took (s), what was repeated.

    `answered` holds the methods that had an OK.
    """

    codes: Counter[grpc.StatusCode]
    answered: set[str]
    seconds: list[float]
    echoes: list[str]


def send(port: int, fuzzer: Fuzzer, count: int, canary: str) -> Told:
    """Send requests one after the other over a channel of its own."""
    told = Told(Counter(), set(), [], [])
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        calls: dict[str, Any] = {}
        for method, data in fuzzer.requests(count):
            if method.path not in calls:
                calls[method.path] = channel.unary_unary(method.path)
            started = time.monotonic()
            code, texts = ask(calls[method.path], method, data, canary)
            told.seconds.append(time.monotonic() - started)
            told.codes[code] += 1
            if code == grpc.StatusCode.OK:
                told.answered.add(method.path)
            told.echoes.extend(f"{method.path}: {text}" for text in texts if canary in text)
    return told


def ask(call: Any, method: Method, data: bytes, canary: str) -> tuple[grpc.StatusCode, list[str]]:
    """Send one request and return the code, and every text in which it might be repeated."""
    try:
        answer = call(data, timeout=30, metadata=(("note", canary),))
    except grpc.RpcError as error:
        failed = cast(grpc.Call, error)
        trailing = [str(value) for _, value in failed.trailing_metadata() or ()]
        leading = [str(value) for _, value in failed.initial_metadata() or ()]
        return failed.code(), [failed.details() or "", *trailing, *leading]
    return grpc.StatusCode.OK, list(refused_details(method.response.FromString(answer)))


def stream(port: int, fuzzer: Fuzzer, count: int, canary: str) -> Told:
    """Send requests to the streaming methods: health's Watch and reflection."""
    told = Told(Counter(), set(), [], [])
    watch, reflect = (
        Method("/grpc.health.v1.Health/Watch", health_pb2.HealthCheckRequest, Message),
        Method(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest,
            Message,
        ),
    )
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        calls: list[tuple[Any, Method]] = [
            (channel.unary_stream(watch.path), watch),
            (channel.stream_stream(reflect.path), reflect),
        ]
        for number in range(count):
            call, method = calls[number % 2]
            data = (fuzzer.noise, fuzzer.mutated, fuzzer.nasty)[number % 3](method)
            answers = call(
                iter([data, fuzzer.nasty(method)]) if method is reflect else data,
                timeout=30,
                metadata=(("note", canary),),
            )
            code = grpc.StatusCode.OK
            try:
                next(answers, None)
                answers.cancel()
            except grpc.RpcError as error:
                code = cast(grpc.Call, error).code()
                told.echoes.extend(
                    f"{method.path}: {text}"
                    for text in [cast(grpc.Call, error).details() or ""]
                    if canary in text
                )
            told.codes[code] += 1
    return told


def fuzz(server: Served, release: str, seed: int, count: int, canary: str) -> Told:
    """Send `count` requests from several clients at once."""
    health: Any = health_pb2.DESCRIPTOR.services_by_name["Health"]
    methods = methods_of([*SERVICES, health])
    now = int(time.time())

    def client(number: int) -> Told:
        fuzzer = Fuzzer(methods, seed + number, canary, now, (release, release[:8]))
        return send(server.port, fuzzer, count // CLIENTS, canary)

    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = list(pool.map(client, range(CLIENTS)))
    codes = sum((part.codes for part in parts), Counter[grpc.StatusCode]())
    seconds = [one for part in parts for one in part.seconds]
    answered = {path for part in parts for path in part.answered}
    return Told(codes, answered, seconds, [one for part in parts for one in part.echoes])


@pytest.mark.parametrize(
    "count", [1_500, pytest.param(100_000, marks=[pytest.mark.prove, pytest.mark.timeout(1200)])]
)
def test_no_request_makes_a_fault_of_ours(tmp_path: Path, proof: Proof, count: int) -> None:
    """Whatever is sent to whatever method, the answer is an answer or a client's error.

    No INTERNAL, no UNKNOWN, no crash, nothing of a request in an error or in the log, and memory as
    flat as the store: a fifth of the requests warm it up.
    """
    seed = int(os.environ.get("THROUGHLINE_FUZZ_SEED", "1"))
    canary = "cnry" + secrets.token_hex(6)
    print(f"seed {seed}, canary {canary}")
    release = enter_release(tmp_path / "var" / "registry")
    Registry(tmp_path / "var" / "registry").promote(release, 1)
    with served(tmp_path, "--log-level", "debug") as server:
        fill_catalogue(server.port)
        fuzz(server, release, seed + 1000, count // 5, canary)
        warm = server.memory()
        told = fuzz(server, release, seed, count - count // 5, canary)
        grown = server.memory() - warm
        streams = stream(server.port, streaming_fuzzer(seed, canary), count // 100, canary)
        assert server.running
        log = server.log.read_text(errors="replace")
    print(told.codes, streams.codes)
    p99 = float(np.percentile(told.seconds, 99)) * 1000
    assert not {*told.codes, *streams.codes} & OURS, log_of_faults(log)
    assert set(told.codes) <= EXPECTED
    assert told.echoes == []
    assert streams.echoes == []
    assert canary not in log
    assert "fault" not in log
    assert "Traceback" not in log
    # It gets past the checks, so that what is behind them is fuzzed, too.
    unanswered = METHODS.keys() - {path.removeprefix(PACKAGE) for path in told.answered}
    assert len(unanswered) < len(METHODS) / 2
    assert grown < GROWTH_MIB
    if count >= 100_000:
        assert unanswered == NEVER_OK
        codes = ", ".join(f"{code.name} {number:,}" for code, number in told.codes.most_common())
        proof(
            "F5",
            f"{count:,} fuzzed requests to every method, {CLIENTS} clients, seed {seed}",
            f"0 INTERNAL, 0 UNKNOWN, 0 crashes, 0 echoes; {codes}; p99 {p99:.0f} ms; "
            f"memory {warm:.0f} MiB + {grown:.1f} MiB",
        )


def fill_catalogue(port: int) -> None:
    """Put in the items that plausible requests speak of."""
    with connect(f"127.0.0.1:{port}") as client:
        items = [offer_pb2.Item(item_id=name) for name in ("item1", "item2", "new")]
        client.call(client.offers.UpsertItems, offer_pb2.UpsertItemsRequest(items=items))


def streaming_fuzzer(seed: int, canary: str) -> Fuzzer:
    """Return a fuzzer for the streaming methods."""
    methods = [Method("", health_pb2.HealthCheckRequest, Message)]
    return Fuzzer(methods, seed + 2000, canary, int(time.time()))


def log_of_faults(log: str) -> list[str]:
    """Return the first faults of a log."""
    return [line for line in log.splitlines() if "fault" in line][:5]
