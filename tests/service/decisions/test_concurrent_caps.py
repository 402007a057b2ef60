"""A cap holds whoever comes between: in every order of the steps of those who decide at once."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from models.decision.inputs import SharedInputs
from models.domain.decisions import DecisionRecord
from models.domain.events import Event
from models.domain.profile import Profile
from models.policy.contact_log import reservation_length
from models.policy.schema import Cap, Contact, Policy
from models.ranking.offer_index import OfferIndex
from service.store.commits import AlreadyAnswered, Committed, VersionConflict
from service.store.store import Store
from tests.support.concurrent_callers import Scheduler
from tests.support.events import NOW, identifier
from tests.support.proof_table import Proof
from tests.support.small_release import small_catalogue, small_release

Open = Callable[[str], Store]

DAYS = 7
POLICY = Policy(
    contact=Contact(caps=(Cap(name="weekly", limit=1, days=DAYS, channels=("email", "sms")),))
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SharedInputs:
    """A small release and catalogue under a policy of one message a week."""
    release = small_release(tmp_path_factory.mktemp("releases"))
    return SharedInputs(OfferIndex(release, small_catalogue()), POLICY)


def customers() -> Iterator[bytes]:
    """Yield one customer after another."""
    return (identifier(number) for number in count(1))


def over_deliveries(
    store: Store, world: SharedInputs, actors: int, lapse: bool
) -> tuple[int, int, int, int]:
    """Run every order; return how many there are, deliver nothing, one, or more than one."""
    scheduler = Scheduler(store, world, actors, NOW, lapse)
    channels = ("email", "sms", "email")[:actors]
    orders: set[tuple[int, ...]] = set()
    none = one = more = 0
    for order in scheduler.orders(customers(), channels):
        assert order not in orders
        orders.add(order)
        times = sum(actor.delivered is not None for actor in scheduler.actors)
        none, one, more = none + (times == 0), one + (times == 1), more + (times > 1)
    return len(orders), none, one, more


def test_two_in_every_order_deliver_one(store_url: str, opened: Open, world: SharedInputs) -> None:
    """Of two who decide at once exactly one delivers, in every order of their steps."""
    assert over_deliveries(opened(store_url), world, 2, lapse=False) == (22, 0, 22, 0)


@pytest.mark.machine
def test_two_and_a_lapse_never_deliver_two(
    store_url: str, opened: Open, world: SharedInputs
) -> None:
    """With a lapse at any moment one is delivered, or none; never two."""
    assert reservation_length(POLICY.contact) > 0
    found, none, one, more = over_deliveries(opened(store_url), world, 2, lapse=True)
    assert more == 0
    assert none > 0
    assert found == none + one


def test_a_store_that_does_not_compare_is_found(
    tmp_path: Path, opened: Open, world: SharedInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the version check the same orders deliver twice: the enumeration can fail."""
    store = opened(f"sqlite:{tmp_path / 'store'}")
    real = store.commit

    def unseen(
        record: DecisionRecord, profile: Profile, reserve: list[Event], request: None
    ) -> Committed | VersionConflict | AlreadyAnswered:
        return real(record, store.read([profile.customer]).profile, reserve, request)

    monkeypatch.setattr(store, "commit", unseen)
    assert over_deliveries(store, world, 2, lapse=False)[3] > 0


@pytest.mark.prove
def test_three_in_every_order_deliver_one(
    store_url: str, opened: Open, world: SharedInputs, proof: Proof
) -> None:
    """Of three who decide at once exactly one delivers, in every order of their steps."""
    found, none, one, more = over_deliveries(opened(store_url), world, 3, lapse=False)
    assert (none, more) == (0, 0)
    kind = store_url.partition(":")[0]
    proof(
        "a cap holds whoever comes between (S5)",
        f"three who read, commit and confirm at once, over {kind}",
        f"{found:,} orders, all of them; {one:,} deliver one, {more} more than one",
    )
