"""A request with an id may be sent again: the same decision, counted once."""

from pathlib import Path

import grpc
import pytest
from throughline.v1 import recommendation_pb2

from models.policy.schema import Cap, Contact, Policy
from tests.support.in_process import enter_release, event, recommend_request, running
from tests.support.waiting import Pool, eventually

pytestmark = pytest.mark.machine

KEY = "ab" * 32  # every service of a shared store has the same
DAILY = Policy(contact=Contact(caps=(Cap(name="daily", limit=1, days=1, channels=("email",)),)))
ALREADY_EXISTS = grpc.StatusCode.ALREADY_EXISTS


def test_the_same_id_is_the_same_decision(tmp_path: Path, store_url: str) -> None:
    """Sent again, after other events and under another release, a request gets its first answer."""
    with running(tmp_path, store=store_url, key=KEY, redis_timeout=30.0) as live:
        first = live.recommend("a", request_id="r1")
        live.record(event("e1", "a", "add_to_cart", item_id=first.offers[0].item_id))
        second = enter_release(live.registry.directory, seed=2)
        live.registry.promote(second, 3)
        assert eventually(lambda: live.recommend("a").moment.release == second)
        again = live.recommend("a", request_id="r1")
        assert again.SerializeToString(deterministic=True) == first.SerializeToString(
            deterministic=True
        )
        assert live.recommend("a", request_id="r2").decision_id != first.decision_id
        assert live.recommend("b", request_id="r1").decision_id != first.decision_id


def test_an_id_counts_once(tmp_path: Path, store_url: str) -> None:
    """Sent many times at once a request takes one contact, and each call gets the same offers."""
    with (
        running(tmp_path, store=store_url, key=KEY, redis_timeout=30.0) as live,
        Pool(8) as callers,
    ):
        live.registry.publish(DAILY, 2)
        assert eventually(lambda: live.server.dependencies.active_release.snapshot.policy == DAILY)
        ask = [
            callers.submit(live.recommend, "a", channel="email", request_id="once")
            for _ in range(16)
        ]
        answers = [asked.result() for asked in ask]
        assert len({answer.decision_id for answer in answers}) == 1
        assert answers[0].offers
        assert not live.recommend("a", channel="email", request_id="other").offers


def test_an_id_names_one_request(tmp_path: Path) -> None:
    """An id with another request is refused; in a batch its neighbours are answered."""
    with running(tmp_path) as live:
        live.recommend("a", request_id="r1")
        with pytest.raises(grpc.RpcError) as raised:
            live.recommend("a", count=3, request_id="r1")
        assert raised.value.code() == ALREADY_EXISTS
        assert raised.value.details() == "request_id: already used with another request"
        batch = recommendation_pb2.RecommendBatchRequest(
            requests=[
                recommend_request("a", count=3, request_id="r1"),
                recommend_request("a", count=3),
            ]
        )
        refused, answered = live.client.recommendations.RecommendBatch(batch).results
        assert refused.outcome.code == ALREADY_EXISTS.value[0]
        assert not refused.HasField("response")
        assert len(answered.response.offers) == 3
