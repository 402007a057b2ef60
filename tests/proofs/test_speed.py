"""The long proof of speed: what one Recommend costs, and what a second worker brings."""

import shutil

import pytest

from bench import speed, workers
from bench.world import OFFERS
from tests.support.proof_table import Proof
from tests.support.redis_server import require_redis

pytestmark = pytest.mark.machine


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("ranked", [True, False], ids=["both stages", "first stage alone"])
@pytest.mark.parametrize("store", speed.STORES)
def test_a_recommend_costs_few_echoes(store: str, ranked: bool, proof: Proof) -> None:
    """At both shares of eligible offers a Recommend costs 15 echoes at most, at a recall of .95.

    By the first stage alone 12.
    """
    require_redis()
    for figure in speed.figures([store], speed.ROUNDS, speed.CALLS, OFFERS, ranked=ranked):
        assert figure.spread <= speed.NOISE, f"too noisy to say: {figure}"
        assert figure.met, str(figure)
        proof("speed", "CPU of a Recommend against an empty echo, 100,000 offers", str(figure))


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("store", speed.STORES)
@pytest.mark.skipif(
    shutil.which("h2load") is None, reason="h2load is not installed (apt install nghttp2-client)"
)
def test_two_workers_answer_more_than_one(store: str, proof: Proof) -> None:
    """Two workers answer at least 1.6 times as many calls a second as one."""
    require_redis()
    found = workers.gain_of(store, 7, 3_000, OFFERS)
    proof("workers", "Recommends a second of one worker and of two", str(found))
    if found.median < workers.TARGET and found.full:
        pytest.skip(f"the machine is full, and can show no more: {found}")
    assert found.median >= workers.TARGET, str(found)
