"""The store of each format that is read, as its version wrote it, says what it said then."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models import codec
from models.codec import FORMAT, READ
from models.domain.event_types import PURCHASE, RETURNED
from models.domain.events import Event
from models.domain.fold import fold
from models.domain.profile import Compartment
from models.domain.view import view_of
from models.release.registry import Registry
from service.decisions.replayer import Replayer
from service.store.opening import open_store
from service.store.store import Store
from tests.support.kept_stores import NAMES, KeptStore


@pytest.fixture(params=READ)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> KeptStore:
    """A copy of the kept store of each format that is read."""
    return KeptStore(request.param, tmp_path / "kept")


@pytest.fixture
def current(tmp_path: Path) -> KeptStore:
    """A copy of the kept store of the format of today."""
    return KeptStore(FORMAT, tmp_path / "kept")


@pytest.fixture
def store(current: KeptStore) -> Iterator[Store]:
    """The copy of the format of today, opened."""
    opened = open_store(current.url, key=current.key, event_types=NAMES.event_types)
    yield opened
    opened.close()


def test_everything_is_read(kept: KeptStore) -> None:
    """A store of each format has its number, its events, its people, and decisions that replay."""
    store = open_store(kept.url, key=kept.key, event_types=NAMES.event_types)
    assert store.format == kept.made.format
    recorded = [one.statement for one in store.log(None) if isinstance(one.statement, Event)]
    own = [one for one in recorded if one.type in ("reserved", "granted")]
    assert len(recorded) - len(own) == kept.made.events
    for number in range(kept.made.people):
        assert store.read([kept.who("loyalty", number)]).known
    assert store.catalogue_changes(0)[1]
    replayer = Replayer(Registry(kept.registry))
    for record in store.records(None):
        replayer.add(record)
    assert replayer.faults == []
    assert replayer.same == kept.made.decisions
    assert not store.verify().faults
    store.close()


def test_profiles_are_what_the_log_makes(current: KeptStore, store: Store) -> None:
    """Lanes, facts and arrivals of each identifier are those of a fresh fold of its events."""
    events: dict[bytes, list[Event]] = {}
    since: dict[bytes, int] = {}
    for arrival, said in store.log(None):
        named = [said.identifier] if isinstance(said, Event) else [said.a, said.b]
        for identifier in named:
            since[identifier] = min(arrival, since.get(identifier, arrival))
        if isinstance(said, Event):
            events.setdefault(said.identifier, []).append(said)
    with_facts = 0
    for identifier, whole in events.items():
        profile = store.read([identifier]).profile
        part = profile.compartments[identifier]
        assert part == fold(Compartment(), whole, NAMES.event_types)
        assert profile.arrivals[identifier] == since[identifier]
        with_facts += bool(part.facts)
    assert with_facts == 2
    seeds = {
        space: sum(
            store.read([current.who("loyalty", number)]).profile.seed == current.who(space, number)
            for number in range(current.made.people)
        )
        for space in ("loyalty", "cookie")
    }
    assert min(seeds.values()) > 0


def test_what_was_returned_is_not_bought(current: KeptStore, store: Store) -> None:
    """A purchase that was wholly taken back is in no history, and its return is remembered."""
    for number in (3, 4):
        profile = store.read([current.who("loyalty", number)]).profile
        view = view_of(profile.compartments.values())
        returned = number % 3 == 0
        assert len(view.lanes[PURCHASE]) == (2 if returned else 3)
        assert (RETURNED in view.lanes) == returned


def test_what_is_never_written_anew_is_always_read(
    kept: KeptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that reads only its own format of customers reads the whole log and catalogue."""
    monkeypatch.setattr(codec, "READ", (FORMAT,))
    store = open_store(kept.url, key=kept.key, event_types=NAMES.event_types)
    assert sum(1 for _ in store.log(None)) >= kept.made.events
    assert store.catalogue_changes(0)[1]
    store.close()
