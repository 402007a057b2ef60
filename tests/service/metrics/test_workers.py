"""Several worker processes are exported as one: what they counted adds up, and stays."""

import os
import signal
import time
from pathlib import Path

import grpc
import pytest
from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from throughline.v1 import event_pb2, recommendation_pb2

from service.client import Client
from service.config.environment import WORKER_METRICS_DIRECTORY
from service.metrics.declared import RELEASE
from service.metrics.export import collector_registry
from tests.support.channels import clients
from tests.support.in_process import event, recommend_request
from tests.support.metrics_scrape import Scraped, scrape
from tests.support.server_processes import Served, gone, prepared, served
from tests.support.waiting import PATIENCE, Pool, eventually

pytestmark = pytest.mark.machine

EXPORTED = ("--metrics-listen", "127.0.0.1:0")
ANSWERS = ("throughline_answers_total", "channel", "outcome")
RELEASES = ("throughline_release_info", "release")


def metrics_of(live: Served) -> Scraped:
    """Return what a server exports now."""
    return scrape(live.said("metrics")[-1]["port"])


def recommend(client: Client, channel: str = "web") -> recommendation_pb2.RecommendResponse:
    """Ask for offers."""
    request = recommend_request("nobody", channel=channel)
    return client.recommendations.Recommend(request, timeout=PATIENCE)


def worker_of(answer: recommendation_pb2.RecommendResponse) -> str:
    """Return the part of a decision's id that tells the process that made it."""
    return bytes.fromhex(answer.decision_id)[10:14].hex()


def test_one_process_exports_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--metrics-listen` serves what the process counted, whatever another program has set."""
    monkeypatch.setenv(WORKER_METRICS_DIRECTORY, str(tmp_path / "of another program"))
    prepared(tmp_path)
    with served(tmp_path, *EXPORTED) as live:
        with clients(live.address, 1) as (client,):
            for _ in range(3):
                recommend(client)
        scraped = metrics_of(live)
        assert live.stop() == 0
    assert scraped.figure("throughline_answers_total") == 3
    assert scraped.figure("throughline_workers") == 1
    assert scraped.figure("process_cpu_seconds_total") > 0
    assert scraped.figure("throughline_worker_cpu_seconds_total") > 0


def test_two_workers_add_up(tmp_path: Path) -> None:
    """What two workers counted is summed, and stays when one dies and another takes its place."""
    release = prepared(tmp_path)
    with (
        served(tmp_path, *EXPORTED, workers=2) as live,
        clients(live.address, 12) as asking,
        Pool(len(asking)) as pool,
    ):
        answers = list(pool.map(recommend, asking * 5))
        assert len({worker_of(answer) for answer in answers}) == 2
        with pytest.raises(grpc.RpcError):
            recommend(asking[0], channel="nowhere")
        events = event_pb2.RecordEventsRequest(events=[event("e1"), event("e2")])
        asking[1].events.RecordEvents(events, timeout=PATIENCE)

        wanted = {("web", "flagged"): 60}
        assert eventually(lambda: metrics_of(live).figure("throughline_calls_total") == 62)
        both = metrics_of(live)
        assert both.figures("throughline_calls_total", "method", "code", "reason") == {
            ("RecommendationService/Recommend", "OK", ""): 60,
            ("RecommendationService/Recommend", "INVALID_ARGUMENT", "INVALID_REQUEST"): 1,
            ("EventService/RecordEvents", "OK", ""): 1,
        }
        assert both.figures(*ANSWERS) == wanted
        # Nothing is in the catalogue.
        assert both.figure("throughline_answer_flags_total", flag="none_eligible") == 60
        assert both.figure("throughline_events_total", outcome="stored") == 2
        assert both.figure("throughline_call_duration_seconds_count") == 62
        assert both.figure("throughline_call_duration_seconds_bucket", le="+Inf") == 62
        stages = both.figures("throughline_stage_duration_seconds_count", "stage")
        assert set(stages.values()) == {60}
        assert both.figure("throughline_workers") == 2
        assert both.figures(*RELEASES) == {(release,): 2}
        assert not any("pid" in sample.labels for sample in both.samples)
        assert len(both.samples) <= 2_000

        # No time to say goodbye: what it had at the moment goes, what it counted stays.
        killed = live.workers()[0]
        os.kill(killed, signal.SIGKILL)
        assert eventually(lambda: len(live.said("worker ready")) == 3)
        assert gone([killed])
        assert eventually(lambda: metrics_of(live).figures(*RELEASES) == {(release,): 2})
        time.sleep(1.5)  # who serves has said so once more
        after = metrics_of(live)
        assert after.figures(*ANSWERS) == wanted
        assert after.figures(*RELEASES) == {(release,): 2}
        assert after.figure("throughline_workers") == 2
        assert live.stop() == 0


def test_a_release_that_decides_nowhere_is_left_out() -> None:
    """Mapped files keep every release that ever decided; only those that do are exported."""
    releases = GaugeMetricFamily(RELEASE.name, "x", labels=["release"])
    for name, workers in (("first", 0), ("second", 2), ("third", 1)):
        releases.add_metric([name], workers)
    scraped = Scraped(generate_latest(collector_registry(lambda: [releases])).decode())
    named = [sample.labels["release"] for sample in scraped.families[RELEASE.name].samples]
    assert named == ["second", "third"]
