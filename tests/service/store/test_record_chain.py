"""What is changed, taken away or put in among the decision records of a store is found."""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from models.errors import StoreUnavailable
from service.store.commits import RequestKey
from service.store.database.backend import KEEP_DECISIONS, Backend, SealedDecision
from service.store.database.decision_ids import new_decision_id
from service.store.records.chain import (
    Chain,
    ChainFault,
    ChainMember,
    VerificationReport,
    verify_decisions,
)
from service.store.records.sealing import Seal, erase, mac_of
from service.store.redis.backend import RedisBackend
from service.store.sqlite.backend import SqliteBackend
from service.store.store import Store
from tests.support.backends import STORE_KEY
from tests.support.events import NOW, identifier, record
from tests.support.redis_server import RedisServer
from tests.support.waiting import PATIENCE

ANN = identifier(1)
SEAL = Seal(STORE_KEY)
MICROSECONDS = 1_000_000


class Kept:
    """The links and records of a database, in memory, as somebody could change them."""

    def __init__(self) -> None:
        self.links: list[bytes] = []
        self.records: dict[str, bytes] = {}
        self.away = 0
        self.now = NOW

    def append_chain(self, link: bytes) -> None:
        """Keep a link; while away it is kept all the same, and told to be away."""
        self.links.append(link)
        if self.away:
            self.away -= 1
            raise StoreUnavailable("away")

    def members(self, number: int, start: int = NOW) -> list[ChainMember]:
        """Seal and keep some records, and return them as members of a link."""
        made = []
        for at in range(number):
            time = start + at * MICROSECONDS
            one = SEAL.seal(record(new_decision_id(1024, ANN, time), ANN, time))
            self.records[one.id] = one.blob
            made.append(ChainMember(one.id, mac_of(one.blob)))
        return made

    def verified(self, now: int = NOW) -> VerificationReport:
        """Verify what is kept."""
        return verify_decisions(SEAL, self.links, self.records.items(), now)

    def faults(self, now: int = NOW) -> list[tuple[str, str]]:
        """Return what a verification finds to be wrong."""
        return [(fault.about, fault.reason) for fault in self.verified(now).faults]


class Writer(Chain):
    """A chain into what is kept."""

    def __init__(self, kept: Kept) -> None:
        super().__init__(kept, SEAL, lambda: kept.now)  # type: ignore[arg-type]


@pytest.fixture
def kept() -> Kept:
    """Three links of three records by each of two writers."""
    made = Kept()
    writers = [Writer(made), Writer(made)]
    for turn in range(3):
        for writer in writers:
            assert writer.append(made.members(3, NOW + turn)) == 3
    return made


def test_what_is_as_it_was_stored_passes(kept: Kept) -> None:
    """Chains that are whole have no fault, and their heads are told."""
    found = kept.verified()
    assert (found.records, found.erased, found.unlinked, found.faults) == (18, 0, 0, ())
    assert [head.number for head in found.heads] == [2, 2]
    assert {head.mac for head in found.heads} == {link[:16].hex() for link in kept.links[-2:]}


def test_what_is_taken_away_is_missed(kept: Kept) -> None:
    """Each record that is gone is named, and so is each chain that has lost a link."""
    names = random.Random(1).sample(sorted(kept.records), 5)
    for name in names:
        del kept.records[name]
    assert sorted(kept.faults()) == [(name, "missing") for name in sorted(names)]
    links = kept.links
    for at in (0, 2):  # the first of a writer, and one between two others
        kept.links = links[:at] + links[at + 1 :]
        assert [reason for _, reason in kept.faults()].count("the link before it is missing") == 1


def test_no_byte_of_a_link_can_be_another(kept: Kept) -> None:
    """A link with one byte changed is no link, and is missed."""
    for at in range(len(kept.links[0])):
        flipped = bytearray(kept.links[0])
        flipped[at] ^= 1
        found = verify_decisions(
            SEAL, [bytes(flipped), *kept.links[1:]], kept.records.items(), NOW
        ).faults
        assert ChainFault("a link", "not as it was stored") in found
        assert "the link before it is missing" in [fault.reason for fault in found]


def test_an_altered_record_is_named(kept: Kept) -> None:
    """A changed record, one put in another's place, and one of an own making are all named."""
    first, second, third, *_ = sorted(kept.records)
    kept.records[first] = kept.records[second]
    kept.records[second] = kept.records[second][:-1]
    forged = Seal(bytes(32)).seal(record(third, ANN, NOW))
    kept.records[third] = forged.blob
    kept.records["made up"] = b"\x01" + bytes(40)
    reasons = dict(kept.faults())
    assert set(reasons) == {first, second, third, "made up"}
    assert all("not as it was stored" in reason for reason in reasons.values())


def test_another_record_with_a_right_seal_is_told(kept: Kept) -> None:
    """A record sealed under the key, but not the one that the chain names, is a fault."""
    name = min(kept.records)
    other = SEAL.seal(record(name, ANN, NOW + 1))
    kept.records[name] = other.blob
    assert kept.faults() == [(name, "not the record that its chain names")]


def test_a_record_that_was_replaced_is_told(kept: Kept) -> None:
    """A record that the key's owner sealed and linked a second time, changed, is a fault."""
    name = min(kept.records)
    kept.records[name] = SEAL.seal(record(name, ANN, NOW + 1)).blob
    Writer(kept).append([ChainMember(name, mac_of(kept.records[name]))])
    assert (name, "named twice, with other content") in kept.faults()


def test_what_is_erased_leaves_the_chain_whole(kept: Kept) -> None:
    """Records without their content are counted and are no fault."""
    for name in list(kept.records)[::2]:
        kept.records[name] = erase(kept.records[name])
    found = kept.verified()
    assert (found.records, found.erased, found.faults) == (18, 9, ())


def test_what_was_kept_long_enough_is_not_missed(kept: Kept) -> None:
    """Links and records may go when their time is over; not before."""
    later = NOW + (KEEP_DECISIONS + 7200) * MICROSECONDS
    writer = Writer(kept)
    writer.append(kept.members(2, NOW))
    kept.now = later
    writer.append(kept.members(2, later))
    gone = [name for name in kept.records if name not in list(kept.records)[-2:]]
    for name in gone:
        del kept.records[name]
    whole = kept.links
    kept.links = whole[-1:]
    assert kept.faults(later) == []
    assert [reason for _, reason in kept.faults(NOW)] == ["the link before it is missing"]
    kept.links = whole
    assert kept.faults(later) == []
    assert len(kept.faults(NOW)) == len(gone)


def test_a_link_of_unknown_outcome_is_written_again(kept: Kept) -> None:
    """Until it is known to be stored the same link is written, whatever comes meanwhile."""
    writer, members = Writer(kept), kept.members(2)
    kept.away = 2
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            writer.append(members)
        members += kept.members(1, NOW + 7)
    assert writer.append(members) == 2
    assert writer.append(members[2:]) == 2
    assert kept.links[-4:-1] == [kept.links[-2]] * 3
    assert kept.faults() == []


def test_two_that_write_as_one_are_told(kept: Kept) -> None:
    """Another link of the same writer and number is a fault: somebody has the key."""
    one, two = Writer(kept), Writer(kept)
    two._writer = one._writer
    for writer in (one, two):
        writer.append(kept.members(1))
    assert [reason for _, reason in kept.faults()] == ["twice, with other content"]


@pytest.fixture(params=["sqlite", "redis"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """An empty database, once of each kind."""
    made: Backend
    if request.param == "sqlite":
        made = SqliteBackend(tmp_path)
    else:
        server: RedisServer = request.getfixturevalue("redis_server")
        made = RedisBackend(server.url, timeout=PATIENCE)
    yield made
    made.close()


def test_a_store_links_what_it_keeps(database: Backend) -> None:
    """Records queued and records committed are all in a link when a store is verified."""
    store = Store(database, lambda: NOW, STORE_KEY)
    names = []
    for number in range(30):
        time = NOW + number * MICROSECONDS
        name = store.new_decision_id(ANN, time)
        names.append(name)
        profile = store.read([ANN]).profile
        held = number % 3 == 0
        asked = RequestKey(ANN, f"r{number}", b"what was asked") if held else None
        store.commit(record(name, ANN, time), profile if held else None, (), asked)
    found = store.verify()
    assert (found.records, found.unlinked, found.faults) == (30, 0, ())
    assert [kept.id for kept in store.records(None)] == names


def test_tampering_with_a_database_is_found(database: Backend) -> None:
    """Of records changed one by one in the database every one is named, and no other."""
    store = Store(database, lambda: NOW, STORE_KEY)
    for number in range(40):
        time = NOW + number * MICROSECONDS
        store.commit(record(store.new_decision_id(ANN, time), ANN, time))
    assert store.verify().faults == ()
    blobs = dict(database.decisions(None))
    draw = random.Random(3)
    chosen = draw.sample(sorted(blobs), 12)
    changes: Sequence[Callable[[str], bytes]] = (
        lambda name: blobs[name][:20] + bytes([blobs[name][20] ^ 4]) + blobs[name][21:],
        lambda name: Seal(bytes(32)).seal(record(name, ANN, NOW)).blob,
        lambda name: blobs[draw.choice([other for other in blobs if other != name])],
        lambda name: SEAL.seal(record(name, ANN, NOW - 1)).blob,
    )
    for number, name in enumerate(chosen):
        altered = changes[number % len(changes)](name)
        database.put_decisions([SealedDecision(name, ANN, NOW, altered)])
    assert sorted(fault.about for fault in store.verify().faults) == sorted(chosen)
    store.close()
