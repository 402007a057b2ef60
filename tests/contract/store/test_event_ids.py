"""An event is its id, per identifier: at whatever time it is said again, and under whom."""

from collections.abc import Callable

import pytest

from models.domain.fold import SEEN_CAPACITY
from models.domain.view import view_of
from service.store.customers.planning import Arrival, EventOutcome
from service.store.store import Store
from tests.support.events import NOW, event, identifier, logged

pytestmark = pytest.mark.machine

Open = Callable[[str], Store]
ANN, BOB = identifier(1), identifier(2)
STORED, DUPLICATE, CONFLICT, ELSEWHERE = (
    EventOutcome.STORED,
    EventOutcome.DUPLICATE,
    EventOutcome.CONFLICT,
    EventOutcome.KNOWN_ELSEWHERE,
)


def lived(store: Store, later: int = 3 * SEEN_CAPACITY) -> None:
    """Record an order, and so many events after it that its id is not remembered any more."""
    store.record([event("order", ANN, 0)], NOW)
    store.record([event(f"v{number}", ANN, number + 1) for number in range(later)], NOW)


@pytest.mark.parametrize("later", [0, 10, 3 * SEEN_CAPACITY])
def test_an_id_with_another_time_is_another_content(
    store_url: str, opened: Open, later: int
) -> None:
    """However many events later, an id that comes with a new time is refused, and counts once."""
    store = opened(store_url)
    lived(store, later)
    for attempt in range(3):
        said = [event("order", ANN, 10_000), event(f"new{attempt}", ANN, 20_000)]
        assert store.record(said, NOW) == [CONFLICT, STORED]
    assert store.record([event("order", ANN, 0)], NOW) == [DUPLICATE]
    assert logged(store)[ANN, "order"] == 1


@pytest.mark.parametrize("look_up", [True, False])
def test_a_wrong_repetition_costs_no_neighbour_in_a_load(
    store_url: str, opened: Open, look_up: bool
) -> None:
    """A history that says one event at another time is loaded, and that event left as it is."""
    store = opened(store_url)
    lived(store)
    history = [event("order", ANN, 9_000), *(event(f"h{n}", ANN, -n) for n in range(100))]
    counts = store.load(history, [], Arrival(NOW, look_up=look_up))
    assert counts == (100, 0, 1)
    again = store.load(history, [], Arrival(NOW, look_up=look_up))
    assert again == (0, 100, 1)
    assert set(logged(store).values()) == {1}


@pytest.mark.parametrize("later", [0, 3 * SEEN_CAPACITY])
def test_an_id_under_two_identifiers_of_a_customer_counts_once(
    store_url: str, opened: Open, later: int
) -> None:
    """It is stored under both and seen once; parted again, each has what was theirs."""
    store = opened(store_url)
    store.record([event("a", ANN, 0), event("b", BOB, 0)], NOW)
    store.link(ANN, BOB, "login", NOW)
    lived(store, later)
    assert store.record([event("order", BOB, 0)], NOW) == [ELSEWHERE]
    assert store.record([event("order", BOB, 0)], NOW) == [DUPLICATE]
    view = view_of(store.read([ANN]).profile.compartments.values())
    history = view.rule_history.entries("browse")
    assert len(history) == later + 3
    assert len(view.lanes["browse"]) == min(later + 3, 150)
    store.unlink(ANN, BOB, "agent", NOW)
    for who, count in ((ANN, later + 2), (BOB, 2)):
        view = view_of(store.read([who]).profile.compartments.values())
        assert len(view.rule_history.entries("browse")) == count


def test_an_id_known_to_two_customers_counts_once_when_they_are_linked(
    store_url: str, opened: Open
) -> None:
    """What both had under one id before anybody knew that they are one counts once from then on."""
    store = opened(store_url)
    assert store.record([event("order", ANN, 0), event("order", BOB, 0)], NOW) == [STORED] * 2
    store.link(ANN, BOB, "login", NOW)
    view = view_of(store.read([ANN]).profile.compartments.values())
    assert len(view.rule_history.entries("browse")) == len(view.lanes["browse"]) == 1
