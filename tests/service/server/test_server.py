"""The service as a caller sees it: a real server, a real channel."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from throughline.v1 import common_pb2, event_pb2, recommendation_pb2

from models.decision.replay import replay
from tests.support.in_process import Running, event, recommend_request, running
from tests.support.waiting import PATIENCE

WEB = recommendation_pb2.WITHHOLD_REASON_PURCHASED


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with running(tmp_path_factory.mktemp("server")) as started:
        yield started


def test_unknown_customer_gets_a_flagged_cold_answer(live: Running) -> None:
    """A customer nobody has heard of gets offers, flagged COLD_START, and no error."""
    answer = live.recommend("nobody", count=5)
    assert len(answer.offers) == 5
    assert common_pb2.FLAG_COLD_START in answer.flags
    assert answer.moment.profile_version == 0
    assert answer.moment.release == live.server.dependencies.active_release.release_id


def test_next_decision_sees_a_recorded_event(live: Running) -> None:
    """After OK for a purchase the very next answer leaves the offer out and says why."""
    offer = live.recommend("buyer", count=3).offers[0]
    bought = event("b1", "buyer", "purchase", channel="till", item_id=offer.item_id)
    result = live.record(bought).results[0]
    assert result.outcome.code == 0
    assert not result.unresolved
    for channel in ("web", "email", "till"):
        answer = live.recommend("buyer", channel=channel, count=40)
        assert offer.offer_id not in [shown.offer_id for shown in answer.offers]
        reasons = {gap.offer_id: gap.reason for gap in answer.withheld}
        assert reasons[offer.offer_id] == WEB
        assert answer.moment.profile_version == 1


def test_every_channel_answers_from_one_ranking(live: Running) -> None:
    """Shown and withheld offers of any channel are the same ranking, rank by rank."""
    live.record(event("r1", "ranked", item_id="item3"), event("r2", "ranked", item_id="item9"))
    rankings = []
    for channel in ("web", "email", "call_center"):
        answer = live.recommend("ranked", channel=channel, count=8)
        placed = {shown.rank: shown.offer_id for shown in answer.offers}
        placed.update({gap.rank: gap.offer_id for gap in answer.withheld})
        assert sorted(placed) == list(range(1, len(placed) + 1))
        rankings.append([placed[rank] for rank in sorted(placed)])
    shortest = min(map(len, rankings))
    assert rankings[0][:shortest] == rankings[1][:shortest] == rankings[2][:shortest]


def test_batch_decides_as_recommend_does(live: Running) -> None:
    """A batch gives each customer what Recommend gives, and a refused one stays alone."""
    live.record(event("ba1", "batched", item_id="item5"))
    alone = live.recommend("batched", count=4)
    batch = live.client.recommendations.RecommendBatch(
        recommendation_pb2.RecommendBatchRequest(
            requests=[
                recommend_request("batched", count=4),
                recommend_request("batched", channel="billboard"),
                recommend_request("somebody", count=4),
            ]
        )
    )
    first, refused, third = batch.results
    assert [o.offer_id for o in first.response.offers] == [o.offer_id for o in alone.offers]
    assert refused.outcome.code == 3
    assert refused.outcome.detail.startswith("channel: unknown; one of app, ")
    assert not refused.HasField("response")
    assert len(third.response.offers) == 4


def test_decision_record_replays(live: Running) -> None:
    """What is kept of a decision is enough to make it again."""
    live.record(event("rec1", "recorded", item_id="item8"))
    answer = live.recommend("recorded", channel="email", count=6)
    record = live.server.dependencies.store.decision(answer.decision_id)
    assert record is not None
    world = live.server.dependencies.active_release.snapshot.shared_inputs()
    assert replay(record, world.index.release, world.policy) == record.decision
    assert [shown.offer for shown in record.decision.slate] == [o.offer_id for o in answer.offers]


def test_health_tells_what_works(live: Running) -> None:
    """Every service reports its own health."""
    stub: Any = health_pb2_grpc.HealthStub(live.channel)
    for name in ("", "RecommendationService", "EventService", "ReleaseService", "PolicyService"):
        service = f"throughline.v1.{name}" if name else ""
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as raised:
        stub.Check(health_pb2.HealthCheckRequest(service="nothing"))
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


def test_reflection_lists_the_services(live: Running) -> None:
    """A tool without the protos finds every service."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(live.channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(iter(stub.ServerReflectionInfo(iter([asked]))))
    names = {service.name for service in answer.list_services_response.service}
    assert "throughline.v1.RecommendationService" in names
    assert "grpc.health.v1.Health" in names


def test_unknown_ids_are_counted(live: Running) -> None:
    """Ids that the catalogue does not have are no error; they are counted and flagged."""
    answer = live.recommend("y", include=["item:item1", "item:no"], exclude=["neither"])
    assert answer.unknown_ids == 2
    assert common_pb2.FLAG_UNKNOWN_IDS in answer.flags
    assert [offer.offer_id for offer in answer.offers] == ["item:item1"]


def test_without_a_release_it_says_so(tmp_path: Path) -> None:
    """Without a release the health is NOT_SERVING and Recommend UNAVAILABLE; events are taken."""
    with running(tmp_path, promoted=False) as bare:
        stub: Any = health_pb2_grpc.HealthStub(bare.channel)
        answer = stub.Check(
            health_pb2.HealthCheckRequest(service="throughline.v1.RecommendationService")
        )
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.RpcError) as raised:
            bare.recommend("z")
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
        assert raised.value.details() == "model: none loaded"
        assert bare.record(event("z1")).results[0].outcome.code == 0


RIGHT_AFTER_FIVE = [f"2017-12-01T17:0{minute}:00Z" for minute in range(4)]


def test_a_set_clock_decides_and_is_flagged(tmp_path: Path) -> None:
    """A clock set elsewhere runs on from there, is flagged, and judges what events are late."""
    with running(tmp_path, clock="2017-12-01T12:00:00-05:00") as past:
        answer = past.recommend("c")
        assert common_pb2.FLAG_CLOCK_SET in answer.flags
        assert answer.moment.minute.ToJsonString() in RIGHT_AFTER_FIVE
        bought = event("c1", "c", "purchase", item_id="item1")
        assert past.record(bought).results[0].outcome.code == grpc.StatusCode.OUT_OF_RANGE.value[0]
        bought.time.FromJsonString("2017-12-01T16:59:00Z")
        result = past.record(bought).results[0]
        assert (result.outcome.code, result.duplicate) == (0, False)
        assert past.recommend("c").moment.profile_version == 1


def test_declared_names_are_understood(tmp_path: Path) -> None:
    """Names that the settings declare work like built-in ones."""
    options: dict[str, Any] = {
        "channels": ["watch"],
        "event_types": {"scan_and_go": "purchase"},
        "namespaces": ["club"],
        "placements": ["hero"],
    }
    with running(tmp_path, **options) as server:
        who = common_pb2.Identifier(namespace="club", value="7")
        bought = event("s1", type_="scan_and_go", channel="watch", item_id="item1")
        bought.identifier.CopyFrom(who)
        assert server.record(bought).results[0].outcome.code == 0
        asked = recommendation_pb2.RecommendRequest(
            identifiers=[who], channel="watch", placement="hero", count=40
        )
        answer = server.client.recommendations.Recommend(asked)
        assert "item:item1" not in [offer.offer_id for offer in answer.offers]
        asked.placement = "sidebar"
        with pytest.raises(grpc.RpcError) as raised:
            server.client.recommendations.Recommend(asked)
        assert raised.value.details() == "placement: unknown; one of hero"


def test_profile_survives_a_restart(tmp_path: Path) -> None:
    """What was acknowledged is there after a stop and a start on the same directory."""
    with running(tmp_path) as first:
        first.record(event("p1", "kept", item_id="item2"))
        decided = first.recommend("kept").decision_id
    with running(tmp_path, rows=[]) as second:
        assert second.recommend("kept").moment.profile_version == 1
        assert second.server.dependencies.store.decision(decided) is not None
        again = event("p1", "kept", item_id="item2")
        result = second.record(again).results[0]
        assert result.outcome.code == grpc.StatusCode.ALREADY_EXISTS.value[0]
        assert result.outcome.detail == "event_id: already used with other content"


def test_durability_is_told(live: Running) -> None:
    """The embedded store's acknowledgement is DURABLE."""
    assert live.record(event("du1")).durability == event_pb2.DURABILITY_DURABLE


def test_waiting_calls_do_not_starve_deciding_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While every thread that stores events waits, decisions go on; beyond the cap calls end."""
    waiting = threading.Event()
    with running(tmp_path, ingest_threads=2) as live:
        record = live.server.dependencies.store.record

        def slow(*arguments: Any) -> Any:
            waiting.wait(PATIENCE)
            return record(*arguments)

        monkeypatch.setattr(live.server.dependencies.store, "record", slow)
        call: Any = live.client.events.RecordEvents
        request = event_pb2.RecordEventsRequest(events=[event("w1")])
        try:
            calls = [call.future(request, timeout=PATIENCE) for _ in range(12)]
            time.sleep(0.1)
            assert len(live.recommend("w").offers) == 10
            more = [call.future(request, timeout=PATIENCE) for _ in range(10)]
            time.sleep(0.3)
            codes = [one.code() for one in more if one.done()]
        finally:
            waiting.set()
        assert codes == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 6
        assert all(one.result().results[0].outcome.code == 0 for one in calls)
