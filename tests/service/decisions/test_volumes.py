"""A limited volume is never given more often than it is, and nearly always as often."""

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from throughline.v1 import recommendation_pb2 as pb

from models.domain.catalogue import Catalogue, Offer, Row
from models.errors import StoreUnavailable
from service.decisions.volume_leases import LARGEST_BLOCK, RETRY_SECONDS, VolumeLeases
from service.store.store import Store
from tests.support.in_process import running
from tests.support.small_release import small_rows
from tests.support.waiting import Pool

Open = Callable[[str], Store]


def catalogue(volume: int, name: str = "o") -> Catalogue:
    """Return a catalogue with one offer of that volume, one without, and one that is gone."""
    rows = (
        Offer(id=name, items=("item1",), volume=volume),
        Offer(id="free", items=("item1",)),
        Offer(id="gone", items=("item1",), volume=5, withdrawn=True),
    )
    return Catalogue().apply(1, rows)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_only_what_has_a_volume_is_limited(store_url: str, opened: Open) -> None:
    """Offers without a volume, and withdrawn ones, are none of the limited ones."""
    volumes = VolumeLeases(opened(store_url))
    assert dict(volumes.limited(catalogue(3))) == {"o": 3}
    assert volumes.exhausted(catalogue(3)) == frozenset()


def test_a_volume_is_given_to_its_last(store_url: str, opened: Open) -> None:
    """One process gives every one of a volume, then tells that it is over, and asks again later."""
    clock, store = Clock(), opened(store_url)
    volumes, three = VolumeLeases(store, clock), catalogue(3)
    assert [volumes.claim(["o"], three) for _ in range(3)] == [frozenset()] * 3
    assert volumes.exhausted(three) == frozenset()
    assert volumes.claim(["o"], three) == {"o"}
    assert volumes.exhausted(three) == {"o"}
    store.give_back("volume:o", 1)
    assert volumes.claim(["o"], three) == {"o"}
    clock.now += RETRY_SECONDS
    assert volumes.exhausted(three) == frozenset()
    assert volumes.claim(["o"], three) == frozenset()


def test_all_of_a_slate_are_claimed_or_none(store_url: str, opened: Open) -> None:
    """Where one of several is over, those that were there are not used up by the attempt."""
    volumes = VolumeLeases(opened(store_url), Clock())
    rows = [Offer(id=name, items=("i",), volume=1) for name in ("a", "b")]
    both = Catalogue().apply(1, rows)
    assert volumes.claim(["a"], both) == frozenset()
    for _ in range(3):
        assert volumes.claim(["b", "a"], both) == {"a"}
    assert volumes.claim(["b"], both) == frozenset()


def test_what_is_put_back_is_given_again(store_url: str, opened: Open) -> None:
    """A claim that came to nothing is free for the next, here or, after the end, elsewhere."""
    store = opened(store_url)
    first, second, one = VolumeLeases(store, Clock()), VolumeLeases(store, Clock()), catalogue(1)
    assert first.claim(["o"], one) == frozenset()
    assert second.claim(["o"], one) == {"o"}
    first.put_back(["o"])
    assert first.claim(["o"], one) == frozenset()
    first.put_back(["o"])
    first.close()
    third = VolumeLeases(store, Clock())
    assert third.claim(["o"], one) == frozenset()


def test_a_volume_that_is_changed_counts_on(store_url: str, opened: Open) -> None:
    """More of a volume goes on from what was given; less ends it, and no lease outlives it."""
    store, clock = opened(store_url), Clock()
    volumes = VolumeLeases(store, clock)
    many = catalogue(1000)
    assert volumes.claim(["o"], many) == frozenset()
    assert volumes.claim(["o"], catalogue(1)) == {"o"}
    clock.now += RETRY_SECONDS
    assert [volumes.claim(["o"], catalogue(3)) for _ in range(3)] == [
        frozenset(),
        frozenset(),
        {"o"},
    ]


def test_without_a_store_only_leases_are_given(
    store_url: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store is away what is leased is given, and nothing beyond it."""
    store, clock = opened(store_url), Clock()
    volumes, many = VolumeLeases(store, clock), catalogue(300)
    assert volumes.claim(["o"], many) == frozenset()  # leases 3

    def away(counter: str, most: int, limit: int) -> int:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(store, "take", away)
        assert [volumes.claim(["o"], many) for _ in range(3)] == [
            frozenset(),
            frozenset(),
            {"o"},
        ]
    clock.now += RETRY_SECONDS
    assert volumes.claim(["o"], many) == frozenset()


@pytest.mark.machine
@pytest.mark.parametrize("seed", range(3))
def test_many_processes_never_give_more(store_url: str, opened: Open, seed: int) -> None:
    """Of 1,000, four processes that claim, put back, end and are killed give no more than 1,000.

    What is not given is what the killed ones had leased.
    """
    draw, lock = random.Random(seed), threading.Lock()
    thousand = catalogue(1000, f"o{seed}")
    given, killed = [0], [0]

    def work(number: int) -> None:
        store = opened(store_url)
        volumes = VolumeLeases(store, Clock())
        for _ in range(600):
            if volumes.claim([f"o{seed}"], thousand):
                break
            with lock:
                what = draw.random()
            if what < 0.1:
                volumes.put_back([f"o{seed}"])
                continue
            with lock:
                given[0] += 1
            if what > 0.98:
                killed[0] += number == 0
                if number:
                    volumes.close()
                volumes = VolumeLeases(store, Clock())
        volumes.close()

    with Pool(4) as pool:
        list(pool.map(work, range(4)))
    last = VolumeLeases(opened(store_url), Clock())
    while not last.claim([f"o{seed}"], thousand):
        given[0] += 1
    assert given[0] <= 1000
    assert given[0] >= 1000 - killed[0] * min(LARGEST_BLOCK, 1000 // 100)


@pytest.fixture
def rows() -> list[Row]:
    """The small catalogue with an offer that is limited to three customers."""
    limited = Offer(id="few", items=("item1",), volume=3)
    return [*small_rows(), limited]


@pytest.mark.machine
def test_so_many_customers_get_it_and_keep_it(tmp_path: Path, rows: list[Row]) -> None:
    """Three customers are shown an offer of three, again and again; to the others it is used up."""
    with running(tmp_path, rows=rows) as live:
        people = [f"p{number}" for number in range(8)]

        def shown(name: str, channel: str = "web", dry_run: bool = False) -> bool:
            answer = live.recommend(name, channel=channel, count=100, dry_run=dry_run)
            seen = "few" in [offer.offer_id for offer in answer.offers]
            why = [gap.reason for gap in answer.withheld if gap.offer_id == "few"]
            assert why == ([] if seen else [pb.WITHHOLD_REASON_EXHAUSTED])
            return seen

        assert shown("dry", dry_run=True)
        with Pool(4) as pool:
            first = dict(zip(people, pool.map(shown, people), strict=True))
        assert sum(first.values()) == 3
        assert {name: shown(name, channel="app") for name in people} == first
        assert not shown("dry", dry_run=True)


@pytest.mark.machine
def test_a_dry_run_keeps_nothing(tmp_path: Path) -> None:
    """A dry run answers what would be answered, without an id, a record or a reservation."""
    with running(tmp_path) as live:
        store = live.server.dependencies.store
        dry = live.recommend("a", channel="email", dry_run=True)
        again = live.recommend("a", channel="email", dry_run=True)
        assert dry.decision_id == again.decision_id == ""
        assert list(store.records(None)) == []
        assert list(store.log(None)) == []
        real = live.recommend("a", channel="email")
        assert [offer.offer_id for offer in real.offers] == [offer.offer_id for offer in dry.offers]
        assert real.decision_id
