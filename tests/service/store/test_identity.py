"""A database that was emptied, exchanged or restored is told from the store that was served."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import grpc
import pytest
from throughline.v1 import common_pb2, customer_pb2

from models.domain.identifiers import key_fingerprint
from models.errors import StoreUnavailable
from service.server.server import EVENT
from service.store.database.gate import NotTheStore
from service.store.database.location import DATABASE
from service.store.identity.judgement import NotServed, Verdict
from service.store.identity.known_store import BadKnownStore, KnownStore, KnownStoreFile
from service.store.opening import accept_store, open_store, survey_store
from service.store.store import Store
from tests.support.backends import STORE_KEY
from tests.support.events import NOW, event, identifier
from tests.support.in_process import Running, loyalty, running
from tests.support.in_process import event as event_message
from tests.support.redis_server import RedisServer
from tests.support.small_release import small_rows
from tests.support.waiting import PATIENCE, eventually

KEY = STORE_KEY.hex()
OLDER = common_pb2.FLAG_STORE_OLDER
AWAY = common_pb2.FLAG_STATE_UNAVAILABLE
Open = Callable[..., Store]


@pytest.fixture
def known(tmp_path: Path, store_url: str) -> KnownStoreFile:
    """Where it is kept what is known of the store at `store_url`."""
    embedded = store_url.startswith("sqlite:")
    return KnownStoreFile(Path(store_url.removeprefix("sqlite:")) if embedded else tmp_path / "reg")


@contextmanager
def opened_at(url: str, known: KnownStoreFile) -> Iterator[Store]:
    """Open a store of which it is known what is known."""
    with closing(open_store(url, key=STORE_KEY, timeout=PATIENCE, known=known)) as store:
        yield store


def emptied(url: str, server: RedisServer | None) -> None:
    """Take all that a store has away."""
    if server is None:
        for file in Path(url.removeprefix("sqlite:")).glob(f"{DATABASE}*"):
            file.unlink()
    else:
        with server.client() as client:
            client.flushall()


@pytest.fixture
def empty(request: pytest.FixtureRequest, store_url: str) -> Callable[[], None]:
    """Empty the database at `store_url`."""
    embedded = store_url.startswith("sqlite:")
    server = None if embedded else request.getfixturevalue("redis_server")
    return lambda: emptied(store_url, server)


def test_a_store_keeps_its_identity(store_url: str, known: KnownStoreFile) -> None:
    """A store is opened again as the one that it was, and the file says how far it had come."""
    with opened_at(store_url, known) as store:
        store.check()
        first = known.read()
    with opened_at(store_url, known) as store:
        store.check()
        assert (store.epoch, store.is_older) == (0, False)
    again = known.read()
    assert first is not None
    assert again is not None
    assert first.identity == again.identity
    assert again.pulse >= 2
    found = survey_store(store_url, key=STORE_KEY, timeout=PATIENCE, known=known)
    assert (found.verdict, found.fit, found.key_fits) == (Verdict.SAME, True, True)


def test_what_is_empty_is_not_opened(
    store_url: str, known: KnownStoreFile, empty: Callable[[], None]
) -> None:
    """Where a store is known and none is there, none is made until a command accepts that."""
    with opened_at(store_url, known) as store:
        store.check()
    before = known.read()
    assert before is not None
    empty()
    for _ in range(2):
        with pytest.raises(NotServed, match="accept"):
            open_store(store_url, key=STORE_KEY, timeout=PATIENCE, known=known)
    accepted = accept_store(store_url, key=STORE_KEY, timeout=PATIENCE, known=known)
    assert accepted is Verdict.EMPTY
    with opened_at(store_url, known) as store:
        assert (store.epoch, store.is_older) == (1, False)
        assert not store.read([identifier(1)]).known
    after = known.read()
    assert after is not None
    assert after.identity == before.identity


def test_another_store_is_not_opened(
    store_url: str, known: KnownStoreFile, empty: Callable[[], None], tmp_path: Path
) -> None:
    """A store of another installation is refused by name, until a command accepts it."""
    with opened_at(store_url, known) as store:
        store.check()
    mine = known.read()
    empty()
    known.path.unlink(missing_ok=True)
    with opened_at(store_url, KnownStoreFile(tmp_path / "theirs")) as store:
        store.check()
    assert mine is not None
    known.write(mine)
    with pytest.raises(NotServed, match=f"another store.*{mine.identity}"):
        open_store(store_url, key=STORE_KEY, timeout=PATIENCE, known=known)
    accepted = accept_store(store_url, key=STORE_KEY, timeout=PATIENCE, known=known)
    assert accepted is Verdict.ANOTHER
    with opened_at(store_url, known) as store:
        store.check()
    found = known.read()
    assert found is not None
    assert found.identity != mine.identity


def test_a_store_that_was_further_is_older(store_url: str, known: KnownStoreFile) -> None:
    """A store with a lesser pulse than was known is served, flagged once, and accepted once."""
    with opened_at(store_url, known) as store:
        store.check()
    before = known.read()
    assert before is not None
    known.write(before._replace(pulse=1000))
    with opened_at(store_url, known) as store:
        assert (store.epoch, store.is_older) == (1, True)
    with opened_at(store_url, known) as store:
        store.check()
        assert (store.epoch, store.is_older) == (1, True)
        assert (
            accept_store(store_url, key=STORE_KEY, timeout=PATIENCE, known=known) is Verdict.OLDER
        )
        store.check()
        assert (store.epoch, store.is_older) == (1, False)
    with opened_at(store_url, known) as store:
        store.check()
        assert (store.epoch, store.is_older) == (1, False)


def test_several_find_it_older_once(store_url: str, known: KnownStoreFile) -> None:
    """Two processes that both find the store older raise its epoch together by one."""
    with opened_at(store_url, known) as first, opened_at(store_url, known) as second:
        for store in (first, second):
            store.check()
        with closing(sqlite3.connect(":memory:")):
            first._backend.put_setting("pulse", "0")
        first.check()
        second.check()
        assert {first.epoch, second.epoch} == {1}
        assert first.is_older
        assert second.is_older


def test_a_missing_write_is_found(store_url: str, known: KnownStoreFile, opened: Open) -> None:
    """A customer who has gone back to an earlier version is noticed when another server answers."""
    with opened_at(store_url, known) as store:
        ann = identifier(1)
        store.record([event("e1", ann)], NOW)
        before = store._backend.get(ann)
        store.record([event("e2", ann)], NOW)
        store.check()
        _put_back(store, store_url, ann, before)
        store.check()
        assert not store.is_older  # nobody looks at data while the same server answers
        store._watch._lineage = "another"
        store.check()
        assert (store.epoch, store.is_older, store.counts().rewinds) == (1, True, 1)


def _put_back(store: Store, url: str, customer: bytes, blob: bytes | None) -> None:
    assert blob is not None
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(Path(url.removeprefix("sqlite:")) / DATABASE)) as connection:
            connection.execute("UPDATE customers SET blob = ? WHERE id = ?", (blob, customer))
            connection.commit()
    else:
        keys = store._backend._keys  # type: ignore[attr-defined]
        store._backend._calls.command(  # type: ignore[attr-defined]
            ("SET", keys.customer(customer), blob), lambda answer: answer
        )


def test_what_is_known_must_be_readable(tmp_path: Path) -> None:
    """A `store.json` that is damaged is named; nothing is guessed from it."""
    file = KnownStoreFile(tmp_path)
    assert file.read() is None
    file.write(KnownStore("ab" * 6, 1, 2))
    assert file.read() == KnownStore("ab" * 6, 1, 2)
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.advance(KnownStore("ab" * 6, 1, 1))
    assert file.read() == KnownStore("ab" * 6, 1, 2)
    file.advance(KnownStore("cd" * 6, 0, 0))
    assert file.read() == KnownStore("cd" * 6, 0, 0)
    file.path.write_bytes(b"{")
    with pytest.raises(BadKnownStore, match=r"store\.json"):
        file.read()


# While a server runs.


@contextmanager
def serving(tmp_path: Path, url: str) -> Iterator[Running]:
    """Run a server over a store."""
    with running(tmp_path, store=url, key=KEY, redis_timeout=30.0) as live:
        yield live


def events_of(live: Running, value: str) -> int:
    """Return how many events the store has of a customer."""
    request = customer_pb2.GetCustomerRequest(identifiers=[loyalty(value)], recent=50)
    return len(live.client.customers.GetCustomer(request, timeout=PATIENCE).recent)


def is_refused(live: Running) -> bool:
    """Tell whether events are refused, and health says so, while offers are told and flagged."""
    try:
        live.record(event_message("probe", "probe"))
    except grpc.RpcError as error:
        answer = live.recommend("a")
        return (
            error.code() == grpc.StatusCode.UNAVAILABLE
            and bool(answer.offers)
            and AWAY in answer.flags
            and live.server._said[EVENT] == 2
        )
    return False


def serves_again(live: Running) -> bool:
    """Tell whether events are stored."""
    try:
        live.record(event_message("probe", "probe"))
    except grpc.RpcError:
        return False
    return AWAY not in live.recommend("a").flags


@pytest.mark.machine
def test_a_server_does_not_go_on_with_nothing(
    tmp_path: Path, store_url: str, known: KnownStoreFile, empty: Callable[[], None]
) -> None:
    """Emptied under a server the store is not served, until a command accepts that it is empty."""
    with serving(tmp_path, store_url) as live:
        live.record(event_message("e1", "a"))
        empty()
        assert eventually(lambda: is_refused(live))
        told = live.server.dependencies.store.counts()
        assert not told.is_served
        known_by_server = (
            known if store_url.startswith("sqlite:") else KnownStoreFile(live.registry.directory)
        )
        accept_store(store_url, key=STORE_KEY, timeout=PATIENCE, known=known_by_server)
        if not store_url.startswith("sqlite:"):
            assert eventually(lambda: serves_again(live))
            _begins_anew(live)
    with serving(tmp_path, store_url) as live:
        _begins_anew(live)


def _begins_anew(live: Running) -> None:
    """Check that a store has nothing of before, and that its catalogue is told from that."""
    assert events_of(live, "a") == 0
    assert OLDER not in live.recommend("b").flags
    assert eventually(lambda: len(live.recommend("a").offers) == len(live.recommend("b").offers))
    live.server.dependencies.store.put_catalogue(small_rows())
    assert eventually(lambda: bool(live.recommend("a").offers))


@pytest.mark.machine
def test_a_file_that_is_put_back_is_served_on(tmp_path: Path) -> None:
    """While the file of a store is gone nothing is stored, and nothing is lost when it is back."""
    directory = tmp_path / "data"
    with serving(tmp_path, f"sqlite:{directory}") as live:
        live.record(event_message("e1", "a"))
        (directory / DATABASE).rename(directory / "moved")
        assert eventually(lambda: is_refused(live))
        assert not (directory / DATABASE).exists()
        (directory / "moved").rename(directory / DATABASE)
        assert eventually(lambda: serves_again(live))
        assert events_of(live, "a") == 1
        assert OLDER not in live.recommend("a").flags


@pytest.mark.machine
def test_a_restored_copy_is_served_and_flagged(tmp_path: Path) -> None:
    """An older copy is not served in the midst, and flagged from the next start until accepted."""
    directory = tmp_path / "data"
    url = f"sqlite:{directory}"
    with serving(tmp_path, url) as live:
        live.record(event_message("e1", "a"))
        with (
            closing(sqlite3.connect(directory / DATABASE)) as now,
            closing(sqlite3.connect(tmp_path / "copy")) as copy,
        ):
            now.backup(copy)
        live.record(event_message("e2", "a"))
        live.server.dependencies.store.check()
        shutil.move(tmp_path / "copy", directory / DATABASE)
        assert eventually(lambda: is_refused(live))
    for left in directory.glob(f"{DATABASE}-*"):
        left.unlink()
    with serving(tmp_path, url) as live:
        assert OLDER in live.recommend("a").flags
        assert events_of(live, "a") == 1
        live.record(event_message("e3", "a"))
        assert events_of(live, "a") == 2
        accept_store(url, key=STORE_KEY, timeout=PATIENCE, known=KnownStoreFile(directory))
        assert eventually(lambda: OLDER not in live.recommend("a").flags)


@pytest.mark.machine
def test_a_failover_that_lost_the_last_second_is_told(
    tmp_path: Path, own_redis: RedisServer
) -> None:
    """Of a replica that lacks the last writes every answer is flagged, once it answers."""
    directory = tmp_path / "replica"
    directory.mkdir()
    replica = RedisServer(directory)
    replica.start()
    try:
        with serving(tmp_path, own_redis.url) as live:
            live.record(event_message("e1", "a"))
            with replica.client() as client:
                client.replicaof("127.0.0.1", str(own_redis.port))
                assert eventually(lambda: client.info("replication")["master_link_status"] == "up")
                assert eventually(lambda: bool(client.dbsize()))
                client.replicaof("NO", "ONE")
            live.record(event_message("e2", "a"))  # the replica lacks it
            own_redis.kill()
            with replica.client() as client:
                client.config_set("port", own_redis.port)
            assert eventually(lambda: OLDER in live.recommend("a").flags)
            assert events_of(live, "a") == 1
            assert live.server.dependencies.store.counts().rewinds == 1
    finally:
        replica.kill()


@pytest.mark.machine
def test_a_restart_that_lost_nothing_is_no_loss(tmp_path: Path, own_redis: RedisServer) -> None:
    """Redis killed and started again over its own file is the store that it was."""
    with serving(tmp_path, own_redis.url) as live:
        live.record(event_message("e1", "a"))
        own_redis.kill()
        own_redis.start()
        assert eventually(lambda: serves_again(live))
        live.server.dependencies.store.check()
        assert OLDER not in live.recommend("a").flags
        assert events_of(live, "a") == 1


def test_the_gate_lets_only_who_looks_through(store_url: str, opened: Open) -> None:
    """While the gate is closed no verb reaches the database, whatever it is."""
    store = opened(store_url)
    store._backend.gate.closed = "store: not this one"
    for verb in (
        lambda: store.read([identifier(1)]),
        lambda: store.revision(),
        lambda: store.take("volume:a", 1, 1),
        lambda: list(store.log(None)),
    ):
        with pytest.raises(NotTheStore):
            verb()
    outcomes = store.record([event("e1", identifier(1))], NOW)
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    store._backend.gate.closed = ""
    assert key_fingerprint(STORE_KEY) == store._backend.setting("key_fingerprint")
