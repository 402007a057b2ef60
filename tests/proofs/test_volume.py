"""A limited volume is never exceeded, with several workers and one of them killed amid it (S5)."""

import os
import signal
from pathlib import Path

import pytest
from throughline.v1 import common_pb2
from throughline.v1 import recommendation_pb2 as pb

from models.domain.catalogue import Offer
from service.decisions.volume_leases import LARGEST_BLOCK
from service.store.opening import open_store
from tests.support.backends import STORE_KEY
from tests.support.channels import clients
from tests.support.in_process import loyalty
from tests.support.proof_table import Proof
from tests.support.redis_server import RedisServer
from tests.support.server_processes import prepared, served
from tests.support.small_release import small_rows
from tests.support.waiting import PATIENCE, Pool, asked_again, eventually

pytestmark = pytest.mark.machine

WORKERS = 4
CHANNELS = ("web", "app", "till", "kiosk")
FEW = "few"


@pytest.mark.parametrize("volume", [30, pytest.param(1000, marks=pytest.mark.prove)])
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_volume_is_never_exceeded(
    tmp_path: Path, own_redis: RedisServer, proof: Proof, kind: str, volume: int
) -> None:
    """However many ask at once, no more get it than there are; a kill costs its lease."""
    url = own_redis.url if kind == "redis" else f"sqlite:{tmp_path / 'data'}"
    (tmp_path / "identifier.key").write_text(STORE_KEY.hex())
    prepared(tmp_path)
    store = open_store(url, key=STORE_KEY, timeout=PATIENCE)
    store.put_catalogue([*small_rows(), Offer(id=FEW, items=("item1",), volume=volume)])
    store.close()
    people = [f"p{number}" for number in range(volume + volume // 3)]
    options = ("--store", url, "--key-file", "identifier.key")
    with (
        served(tmp_path, *options, workers=WORKERS) as live,
        clients(live.address, 2 * WORKERS) as made,
    ):

        def shown(number: int, channel: str = "") -> bool:
            request = pb.RecommendRequest(
                identifiers=[loyalty(people[number])],
                channel=channel or CHANNELS[number % len(CHANNELS)],
                count=100,
            )
            stub = made[number % len(made)].recommendations
            while True:
                answer = asked_again(lambda: stub.Recommend(request, timeout=PATIENCE))
                # Who is not known, as the store took too long, is given nothing that is limited.
                if common_pb2.FLAG_STATE_UNAVAILABLE not in answer.flags:
                    break
            return FEW in [offer.offer_id for offer in answer.offers]

        with Pool(len(made)) as pool:
            half = len(people) // 2
            first = list(pool.map(shown, range(half)))
            victim = live.workers()[0]
            under_way = [pool.submit(shown, number) for number in range(half, len(people))]
            os.kill(victim, signal.SIGKILL)
            given = first + [one.result() for one in under_way]
            assert eventually(lambda: len(set(live.workers()) - {victim}) == WORKERS)
            # Who got it keeps it, and nobody gets it who did not, on whatever channel.
            again = list(pool.map(lambda number: shown(number, "call_center"), range(len(people))))
    # What is leased by whom nobody asks any more is not given, nor what the killed one had leased.
    lost = (WORKERS + 1) * min(LARGEST_BLOCK, max(1, volume // 100))
    got = sum(again)
    assert all(now or not before for before, now in zip(given, again, strict=True))
    assert volume - lost <= got <= volume
    proof(
        "a limited volume is never exceeded (S5)",
        f"an offer of {volume:,}, {len(people):,} customers, {WORKERS} workers over {kind}, one "
        "of them killed amid it",
        f"{got:,} customers got it and kept it on every channel",
    )
