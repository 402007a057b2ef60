"""The seed of a customer's draws is the identifier that was known first, through everything."""

from collections.abc import Callable

import pytest

from service.store.store import Store
from tests.support.events import NOW, SECOND, event, identifier

pytestmark = pytest.mark.machine

Open = Callable[[str], Store]
LOW, MIDDLE, HIGH = identifier(1), identifier(2), identifier(3)


def seed(store: Store, who: bytes) -> bytes:
    """Return the seed of a customer."""
    return store.read([who]).profile.seed


@pytest.mark.parametrize(("old", "new"), [(HIGH, LOW), (LOW, HIGH)])
def test_a_link_keeps_the_seed_of_who_was_known_first(
    store_url: str, opened: Open, old: bytes, new: bytes
) -> None:
    """Whoever survives a link, whatever the times of events, the seed is the earlier arrival's."""
    store = opened(store_url)
    store.record([event("e", old, 0)], NOW)
    # It arrives later, although it happened before.
    store.record([event("e", new, -9_000)], NOW + SECOND)
    assert (seed(store, old), seed(store, new)) == (old, new)
    store.link(new, old, "login", NOW + 2 * SECOND)
    assert seed(store, old) == seed(store, new) == old
    store.record([event("late", new, -90_000)], NOW + 3 * SECOND)
    assert seed(store, new) == old
    store.unlink(old, new, "agent", NOW + 4 * SECOND)
    assert (seed(store, old), seed(store, new)) == (old, new)


def test_an_identifier_that_a_link_makes_known_is_known_from_then(
    store_url: str, opened: Open
) -> None:
    """Who is linked before anything was recorded comes after who was there."""
    store = opened(store_url)
    store.record([event("e", HIGH, 0)], NOW + SECOND)
    store.link(LOW, HIGH, "login", NOW + 2 * SECOND)
    store.record([event("e", MIDDLE, 0)], NOW + 3 * SECOND)
    store.link(MIDDLE, LOW, "login", NOW + 4 * SECOND)
    assert seed(store, MIDDLE) == HIGH
    store.unlink(LOW, HIGH, "agent", NOW + 5 * SECOND)
    assert seed(store, HIGH) == HIGH
    assert seed(store, MIDDLE) == seed(store, LOW) == LOW
