"""The life of a server: a real child process started and stopped, and a store that goes away."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from throughline.v1 import common_pb2, release_pb2

from service.client import Client
from service.rpc.interceptor import InterceptingServer
from service.server_process import ServerProcess
from tests.support.in_process import Running, enter_release, event, recommend_request, running
from tests.support.redis_server import RedisServer
from tests.support.server_processes import run_command, served
from tests.support.waiting import PATIENCE, eventually, joined

pytestmark = pytest.mark.machine

KEY = "ab" * 32
SERVING, NOT_SERVING = (
    health_pb2.HealthCheckResponse.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING,
)


def health(channel: grpc.Channel, service: str) -> int:
    """Return the health of a service."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    asked = health_pb2.HealthCheckRequest(service=f"throughline.v1.{service}")
    return int(stub.Check(asked, timeout=PATIENCE).status)


def test_sigterm_lets_calls_end_and_exits_with_0(tmp_path: Path) -> None:
    """SIGTERM: a call in flight gets its answer, an open watch is ended, the exit code is 0."""
    release_id = enter_release(tmp_path / "var" / "registry")
    with served(tmp_path) as live, grpc.insecure_channel(live.address) as channel:
        client = Client(channel, "child", PATIENCE)
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == NOT_SERVING
        answers: list[str] = []

        def promote() -> None:
            request = release_pb2.PromoteReleaseRequest(release_id=release_id)
            answers.append(client.releases.PromoteRelease(request, timeout=PATIENCE).release_id)

        promoting = threading.Thread(target=promote, daemon=True)
        promoting.start()
        time.sleep(0.2)  # its trial in a child process takes longer than that
        live.send(signal.SIGTERM)
        started = time.monotonic()
        joined(promoting)
        assert answers == [release_id]
        assert live.wait(20) == 0
        assert time.monotonic() - started < 15
        with pytest.raises(grpc.RpcError):
            list(watch)


STUCK = """
import threading
from service.rpc.recommendations import RecommendationServicer
from service.server import lifecycle
def never(*_):
    print('{"event": "asked"}', flush=True)
    threading.Event().wait()
RecommendationServicer.Recommend = never
lifecycle.STUCK_SECONDS = 1.0
from service.cli import main
main()
"""


def test_a_call_that_never_ends_does_not_hold_the_server(tmp_path: Path) -> None:
    """A stop with a call that hangs ends the process all the same, and is told from a good one."""
    (tmp_path / "settings.toml").write_text("lame_duck_seconds = 0.1\ndrain_seconds = 0.1\n")
    live = ServerProcess(
        tmp_path / "serve.log",
        *("--config", "settings.toml"),
        directory=tmp_path,
        # Without these it would begin anew.
        environment=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        program=(sys.executable, "-P", "-c", STUCK),
        start_seconds=PATIENCE,
    )
    with live, grpc.insecure_channel(live.address) as channel:
        client = Client(channel, "child", PATIENCE)
        call = client.recommendations.Recommend.future(recommend_request("L1"), timeout=PATIENCE)
        assert eventually(lambda: live.said("asked"))
        assert live.stop(seconds=PATIENCE) == os.EX_SOFTWARE
        assert live.said("stuck; ended")
        call.cancel()


def test_a_server_waits_once_for_its_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that is interrupted, as by a test's time limit, is not begun again."""

    class Interrupted(BaseException):
        """Of the kind that nobody handles."""

    begun: list[object] = []

    def never(streams: object) -> None:
        begun.append(streams)
        raise Interrupted

    with pytest.raises(Interrupted), running(tmp_path, promoted=False):
        monkeypatch.setattr(InterceptingServer, "end_streams", never)
    assert len(begun) == 1


def test_numerical_libraries_get_one_thread(tmp_path: Path) -> None:
    """A process that imported numpy before it knew begins anew, once, with one thread."""
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy, os\n"
        "from service.config.environment import pin_threads\n"
        "print('start', flush=True)\n"
        "pin_threads()\n"
        "print(os.environ['OMP_NUM_THREADS'], os.environ['OPENBLAS_NUM_THREADS'])\n"
    )
    environment = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n") == ["start", "start", "1 1", ""]


def test_logs_hold_no_identifier(tmp_path: Path) -> None:
    """Whatever is logged, no identifier and no customer id is in it."""
    enter_release(tmp_path / "var" / "registry")
    with served(tmp_path, "--log-level", "debug") as live:
        with grpc.insecure_channel(live.address) as channel:
            client = Client(channel, "child", PATIENCE)
            with pytest.raises(grpc.RpcError):
                client.recommendations.Recommend(recommend_request("canary-4711", channel="no"))
            with pytest.raises(grpc.RpcError):
                client.recommendations.Recommend(recommend_request("canary-4711"))
        assert live.stop(signal.SIGINT, 20) == 0
    logged = live.log.read_text()
    assert "refused" in logged
    assert "stopped" in logged
    assert "canary-4711" not in logged


def test_second_server_on_a_directory_or_port_is_refused(tmp_path: Path) -> None:
    """A second server on the same data, or on the same port, ends at once with one line."""
    with running(tmp_path, promoted=False) as live:
        for store, port, code in (
            (f"sqlite:{tmp_path / 'data'}", 0, os.EX_UNAVAILABLE),
            ("sqlite:other", live.server.port, os.EX_CONFIG),
        ):
            listen = f"127.0.0.1:{port}"
            done = run_command(tmp_path, "serve", "--store", store, "--listen", listen)
            assert done.returncode == code
            assert done.stderr.splitlines()[-1].startswith("throughline: ")
            assert "Traceback" not in done.stderr


def test_without_redis_it_decides_and_stores_nothing(
    tmp_path: Path, own_redis: RedisServer
) -> None:
    """Redis away: answers are flagged, events refused with retry advice; back, all is as before."""
    with running(tmp_path, store=own_redis.url, key=KEY) as live:
        live.record(event("e1", "L1", item_id="item1"))
        known = live.recommend("L1")
        assert known.moment.profile_version == 1
        own_redis.kill()
        away = live.recommend("L1")
        assert common_pb2.FLAG_STATE_UNAVAILABLE in away.flags
        assert away.moment.profile_version == 0
        assert len(away.offers) == 10
        with pytest.raises(grpc.RpcError) as raised:
            live.record(event("e2", "L1"))
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
        assert retry_seconds(raised.value) > 0
        assert wait_for(live, "EventService", NOT_SERVING)
        assert health(live.channel, "RecommendationService") == SERVING
        own_redis.start()
        assert wait_for(live, "EventService", SERVING)
        back = live.recommend("L1")
        assert back.moment.profile_version == 1
        assert common_pb2.FLAG_STATE_UNAVAILABLE not in back.flags
        assert live.record(event("e2", "L1")).results[0].outcome.code == 0


def test_two_instances_share_one_redis(tmp_path: Path, redis_server: RedisServer) -> None:
    """What one instance acknowledged the very next decision of another one sees."""
    options: dict[str, Any] = {"store": redis_server.url, "key": KEY}
    (tmp_path / "b").mkdir()
    with running(tmp_path, **options) as a, running(tmp_path / "b", rows=[], **options) as b:
        for number in range(20):
            here, there = (a, b) if number % 2 else (b, a)
            assert here.record(event(f"e{number}", "both")).results[0].outcome.code == 0
            assert there.recommend("both", count=1).moment.profile_version == number + 1


def retry_seconds(error: grpc.RpcError) -> float:
    """Return after how many seconds the error advises to retry."""
    status = rpc_status.from_call(cast(grpc.Call, error))
    assert status is not None
    for packed in status.details:
        if packed.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            info = error_details_pb2.RetryInfo.FromString(packed.value)
            return float(info.retry_delay.ToTimedelta().total_seconds())
    return 0


def wait_for(live: Running, service: str, wanted: int) -> bool:
    """Wait until a service has the health that is wanted."""
    for _ in range(200):
        if health(live.channel, service) == wanted:
            return True
        time.sleep(0.05)
    return False
