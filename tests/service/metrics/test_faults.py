"""What goes wrong, or changes, while a server runs is seen in its metrics."""

import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from throughline.v1 import customer_pb2, release_pb2

from service.config.settings import ConfigurationError
from service.metrics.export import serve_metrics
from tests.support.in_process import enter_release, event, loyalty, running
from tests.support.metrics_scrape import CANARY, scrape, scraping
from tests.support.redis_server import RedisServer
from tests.support.waiting import PATIENCE, eventually

pytestmark = pytest.mark.machine


def test_what_health_says_itself_is_counted(tmp_path: Path) -> None:
    """A code that a service of gRPC's own sets is counted, and a watch once it ends."""
    with running(tmp_path) as live, scraping(live) as port:
        stub: Any = health_pb2_grpc.HealthStub(live.channel)
        stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        with pytest.raises(grpc.RpcError):
            stub.Check(health_pb2.HealthCheckRequest(service=CANARY), timeout=PATIENCE)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        next(watch)
        watch.cancel()
        wanted = {
            ("Health/Check", "OK", ""): 1,
            ("Health/Check", "NOT_FOUND", ""): 1,
            ("Health/Watch", "CANCELLED", ""): 1,
        }

        def counted() -> dict[tuple[str, ...], float]:
            return scrape(port).figures("throughline_calls_total", "method", "code", "reason")

        assert eventually(lambda: counted() == wanted), counted()
        assert CANARY not in scrape(port).text


def test_a_fault_and_an_answer_nobody_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours counts as INTERNAL; an answer after the deadline, or to nobody, as that."""
    with running(tmp_path) as live, scraping(live) as port:
        reading, read = threading.Event(), live.server.dependencies.store.read

        def slow(identifiers: Any) -> Any:
            assert reading.wait(PATIENCE)
            return read(identifiers)

        def faulty(identifiers: Any) -> Any:
            raise RuntimeError(CANARY)

        request = customer_pb2.GetCustomerRequest(identifiers=[loyalty("a")])
        monkeypatch.setattr(live.server.dependencies.store, "read", slow)
        with pytest.raises(grpc.RpcError):
            live.client.customers.GetCustomer(request, timeout=0.05)
        call = live.client.customers.GetCustomer.future(request, timeout=PATIENCE)
        time.sleep(0.2)
        call.cancel()
        time.sleep(0.1)
        reading.set()
        monkeypatch.setattr(live.server.dependencies.store, "read", faulty)
        with pytest.raises(grpc.RpcError):
            live.client.customers.GetCustomer(request, timeout=PATIENCE)
        wanted = {("DEADLINE_EXCEEDED", ""): 1, ("CANCELLED", ""): 1, ("INTERNAL", "INTERNAL"): 1}

        def counted() -> dict[tuple[str, ...], float]:
            return scrape(port).figures("throughline_calls_total", "code", "reason")

        assert eventually(lambda: counted() == wanted), counted()


def test_an_outage_of_the_store_is_seen(tmp_path: Path, own_redis: RedisServer) -> None:
    """Redis away: flagged answers, refused events, errors by kind and spilled records are told."""
    options: dict[str, Any] = {"store": own_redis.url, "key": "ab" * 32}
    with running(tmp_path, **options) as live, scraping(live) as port:

        def records() -> dict[tuple[str, ...], float]:
            return scrape(port).figures("throughline_decision_records_total", "outcome")

        live.recommend("a")
        assert eventually(lambda: records() == {("stored",): 1})
        own_redis.kill()
        live.recommend("a")
        with pytest.raises(grpc.RpcError):
            live.record(event("e1", "a"), event("e2", "b"))
        assert eventually(lambda: records() == {("stored",): 1, ("spilled",): 1})
        scraped = scrape(port)
        assert scraped.figure("throughline_answer_flags_total", flag="state_unavailable") == 1
        assert scraped.figure("throughline_events_total", outcome="unavailable") == 2
        assert scraped.figure("throughline_calls_total", reason="STORE_UNAVAILABLE") == 1
        assert scraped.figure("throughline_store_breaker_openings_total") == 1
        errors = scraped.figures("throughline_store_errors_total", "kind")
        assert errors[("no_answer",)] >= 1
        assert errors[("not_asked",)] >= 1
        time.sleep(1.1)
        assert scrape(port).figure("throughline_catalogue_age_seconds") > 1
        own_redis.start()
        assert eventually(lambda: records() == {("stored",): 2, ("spilled",): 1})
        assert eventually(lambda: scrape(port).figure("throughline_catalogue_age_seconds") < 1)


def test_the_release_in_force_is_the_only_one_named(tmp_path: Path) -> None:
    """After a swap the release that decided before is no longer exported."""
    with running(tmp_path) as live, scraping(live) as port:
        first = live.server.dependencies.active_release.release_id
        second = enter_release(live.registry.directory, seed=2)
        before = scrape(port)
        promote = release_pb2.PromoteReleaseRequest(release_id=second)
        live.client.releases.PromoteRelease(promote, timeout=PATIENCE)
        after = scrape(port)
    assert before.figures("throughline_release_info", "release") == {(first,): 1}
    assert after.figures("throughline_release_info", "release") == {(second,): 1}
    assert first not in after.text
    assert after.figure("throughline_release_swaps_total") == 2


def test_an_address_that_is_taken_is_refused(tmp_path: Path) -> None:
    """A second export on the same address is a mistake in the settings, named."""
    with running(tmp_path) as live, scraping(live) as port:
        taken = f"127.0.0.1:{port}"
        with (
            pytest.raises(ConfigurationError, match=r"^metrics_listen: cannot bind to 127"),
            serve_metrics(taken, live.server.dependencies.metrics.collect),
        ):
            pass
