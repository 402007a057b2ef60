"""Work ends when nobody waits for it any more."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from throughline.v1 import recommendation_pb2 as pb

from models.decision.decide import run_stages
from models.explanation import minimal_change
from service.contract.status import code_number
from service.rpc.kinds import LONGEST
from tests.support.in_process import Running, recommend_request, running
from tests.support.waiting import PATIENCE, eventually

pytestmark = pytest.mark.machine

OVER = code_number(grpc.StatusCode.DEADLINE_EXCEEDED)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with running(tmp_path_factory.mktemp("deadlines")) as started:
        yield started


def slow_reads(live: Running, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let each read of a customer take 50 ms; return when each was begun."""
    begun: list[float] = []
    read = live.server.dependencies.store.read

    def slow(*arguments: Any) -> Any:
        begun.append(time.monotonic())
        time.sleep(0.05)
        return read(*arguments)

    monkeypatch.setattr(live.server.dependencies.store, "read", slow)
    return begun


def batch(customers: int) -> pb.RecommendBatchRequest:
    """Return a request for as many customers."""
    return pb.RecommendBatchRequest(requests=[recommend_request(f"d{n}") for n in range(customers)])


def test_a_batch_answers_what_its_time_allows(
    live: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom a batch has no time for is told so by the outcome; the others are answered in time."""
    begun = slow_reads(live, monkeypatch)
    answer = live.client.recommendations.RecommendBatch(batch(200), timeout=2)
    codes = [result.outcome.code for result in answer.results]
    decided = codes.count(0)
    assert len(codes) == 200
    assert 1 <= decided == len(begun) < 100
    assert codes == [0] * decided + [OVER] * (200 - decided)
    assert all(result.response.offers for result in answer.results[:decided])
    assert not any(result.HasField("response") for result in answer.results[decided:])


def test_a_batch_of_a_caller_who_left_ends(live: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is decided for a caller who is gone."""
    begun = slow_reads(live, monkeypatch)
    call = live.client.recommendations.RecommendBatch.future(batch(200), timeout=PATIENCE)
    assert eventually(lambda: len(begun) >= 2)
    call.cancel()
    time.sleep(0.3)
    decided = len(begun)
    time.sleep(0.5)
    assert len(begun) == decided < 100


def test_a_call_without_a_deadline_has_a_longest_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a caller would wait for without end is ended by the server."""
    monkeypatch.setitem(LONGEST, "bulk", 1.0)
    with running(tmp_path) as live:
        slow_reads(live, monkeypatch)
        answer = live.client.recommendations.RecommendBatch(batch(200))
    assert OVER in [result.outcome.code for result in answer.results]


def test_an_explanation_ends_at_its_deadline(
    live: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No further change is tried once nobody waits for the explanation."""
    answer = live.recommend("e", count=2)
    hidden = next(
        f"item:item{number}"
        for number in range(20)
        if f"item:item{number}" not in [offer.offer_id for offer in answer.offers]
    )
    tried: list[float] = []

    def slow(*arguments: Any) -> Any:
        tried.append(time.monotonic())
        time.sleep(0.05)
        return run_stages(*arguments)

    monkeypatch.setattr(minimal_change, "run_stages", slow)
    asked = pb.ExplainDecisionRequest(decision_id=answer.decision_id, offer_id=hidden)
    live.client.recommendations.ExplainDecision(asked, timeout=PATIENCE)
    all_of_them = len(tried)
    assert all_of_them >= 3
    tried.clear()
    with pytest.raises(grpc.RpcError) as raised:
        live.client.recommendations.ExplainDecision(asked, timeout=0.1)
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    time.sleep(0.05 * all_of_them + 0.5)
    assert len(tried) < all_of_them
