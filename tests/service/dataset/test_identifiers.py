"""Who was known first survives an export and a load, and with it the arm that a customer is in."""

import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from models.decision.holdout import in_holdout
from models.domain.identifiers import key_fingerprint
from models.domain.profile import known_since
from models.policy.schema import Holdout, Policy
from service.dataset.export import export_log
from service.dataset.load import load_dataset
from service.store.customers.planning import Arrival
from service.store.store import Store
from tests.support.datasets import (
    KEY,
    NOW,
    START,
    OpenStore,
    hashed,
    retailer,
    stores,
    write_dataset,
)
from tests.support.events import event

pytestmark = pytest.mark.machine

POLICY = Policy(holdout=Holdout(share=0.4, name="half"))
SPACES = ("loyalty", "cookie", "device", "crm")
PEOPLE = 120
SECOND = 1_000_000


@pytest.fixture(params=["sqlite", "redis"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Open an empty store at each call, once of each kind."""
    prefix = f"sqlite:{tmp_path}/stores/"
    if request.param == "redis":
        prefix = request.getfixturevalue("redis_server").url.removesuffix("0")
    with stores(prefix) as open_new:
        yield open_new


def live(store: Store) -> list[list[bytes]]:
    """Let people of 1 to 4 identifiers become known one way or another; return who they are.

    Some are linked before anything was recorded under an identifier, some are parted again.
    """
    draw = random.Random(1)
    people = [
        [hashed(space, str(number)) for space in SPACES[: 1 + number % 4]]
        for number in range(PEOPLE)
    ]
    at = START
    for number, whole in enumerate(people):
        shuffled = draw.sample(whole, len(whole))
        for one in shuffled[: max(1, len(whole) - number % 2)]:
            at += SECOND
            store.record([event(f"e{at}", one, at // SECOND)], at)
        for a, b in pairwise(shuffled):
            at += SECOND
            assert store.link(a, b, "login", at).changed
        if number % 5 == 0 and len(whole) > 2:
            at += SECOND
            assert store.unlink(shuffled[0], shuffled[1], "agent", at).changed
    return people


def seeds(store: Store, people: list[list[bytes]]) -> dict[bytes, bytes]:
    """Return for each identifier that is known the one that its customer's draws are by."""
    found = {}
    for one in (one for whole in people for one in whole):
        lookup = store.read([one])
        if lookup.known:
            found[one] = lookup.profile.seed
    return found


def test_arms_are_the_same_after_export_and_load(tmp_path: Path, new_store: OpenStore) -> None:
    """Of 120 people of 1 to 4 identifiers each has the seed, and so the arm, that it had."""
    first = new_store()
    people = live(first)
    before = seeds(first, people)
    export_log(first, tmp_path / "export", None, key_fingerprint(KEY))
    second = new_store()
    load_dataset(tmp_path / "export", second, KEY, NOW)
    assert seeds(second, people) == before
    arms = Counter(in_holdout(POLICY, seed) for seed in before.values())
    assert min(arms.values()) > PEOPLE // 4
    # It is not by chance, nor by who is the customer: both differ for many.
    assert sum(who != seed for who, seed in before.items()) > PEOPLE // 4
    assert sum(first.read([who]).profile.customer != seed for who, seed in before.items()) > 10

    export_log(second, tmp_path / "again", None, key_fingerprint(KEY))
    third = new_store()
    load_dataset(tmp_path / "again", third, KEY, NOW)
    assert seeds(third, people) == before


def test_an_unknown_identifier_is_known_from_the_load_on(
    tmp_path: Path, new_store: OpenStore
) -> None:
    """Without the table identifiers are known since the load, with it since it says, links too."""
    plain = retailer(customers=2)
    store = new_store()
    load_dataset(write_dataset(tmp_path / "without", plain), store, KEY, NOW)
    ann = store.read([hashed("loyalty", "r1")]).profile
    assert set(known_since(ann).values()) == {NOW}

    rows = [("loyalty", "r1", START + 5), ("device", "r1", START + 3), ("loyalty", "r1", START + 9)]
    names = ("namespace", "identifier", "known_since")
    table = [dict(zip(names, row, strict=True)) for row in rows]
    other = new_store()
    load_dataset(write_dataset(tmp_path / "with", {**plain, "identifiers": table}), other, KEY, NOW)
    ann = other.read([hashed("loyalty", "r1")]).profile
    assert known_since(ann) == {
        hashed("loyalty", "r1"): START + 5,
        hashed("device", "r1"): START + 3,
    }


def test_who_is_known_already_stays_so(tmp_path: Path, new_store: OpenStore) -> None:
    """A load does not say anew since when an identifier is known that the store has heard of."""
    store = new_store()
    ann = hashed("loyalty", "r1")
    store.load([event("live", ann)], [], Arrival(NOW - 7))
    row = {"namespace": "loyalty", "identifier": "r1", "known_since": START}
    tables = {**retailer(customers=2), "identifiers": [row]}
    load_dataset(write_dataset(tmp_path / "dataset", tables), store, KEY, NOW)
    assert known_since(store.read([ann]).profile)[ann] == NOW - 7
