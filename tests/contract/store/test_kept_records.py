"""What an earlier version stored is read as it was, and decided again byte for byte.

`fixtures/records_4295107` holds it; the README there says how it was made, and how to make more.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import zstandard
from throughline.v1 import recommendation_pb2 as pb

from models.canonical import encode_canonical
from models.codec import decode, encode, payload_of, version_of
from models.domain.catalogue import Item, Offer
from models.domain.decisions import DecisionRecord
from models.domain.events import Event
from models.domain.profile import Link, decode_customer
from models.release.golden import check_golden
from models.release.loader import load_release, read_golden, verify_release
from models.release.registry import POLICIES, Registry
from service.contract.recommendation_messages import fill_answer
from service.decisions.replayer import Replayer
from service.store.customers.log_entries import decode_entry, event_line, link_line, unlink_line
from service.store.database.location import DATABASE
from service.store.opening import open_store
from service.store.records.sealing import MAC_BYTES
from service.store.store import Store
from tests.support.paths import ROOT

pytestmark = pytest.mark.timeout(3_600)  # there may be many more records than those kept here

FIXTURE = ROOT / "tests" / "fixtures" / "records_4295107"
MORE = "THROUGHLINE_RECORDS"
DIRECTORIES = {"kept": FIXTURE}
if os.environ.get(MORE):
    DIRECTORIES["more"] = Path(os.environ[MORE])


class Made(msgspec.Struct, frozen=True):
    """What the version that made the records says of them.

    `decisions` and `answers` are the SHA-256 over all ids, ascending, each with the SHA-256 of the
    decision as it is stored, and of the message that answers with it.
    """

    commit: str
    seed: int
    lived: int
    records: int
    decisions: str
    answers: str


KEPT = Made(
    commit="4295107",
    seed=1,
    lived=3_000,
    records=300,
    decisions="53576b8a6ea8ad9df546ec4a70fc3f3e2959c4ce2c22394f64c0ac298854610e",
    answers="0e038c9b47a482189596059c6ad82c40a4374384f17299244d9c6008e98f0a5a",
)


class Kept(NamedTuple):
    """The open copy of a store, the rows of its tables, its registry, and what is said of it."""

    store: Store
    database: Path
    registry: Registry
    made: Made

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what stands in the database."""
        with closing(sqlite3.connect(self.database)) as database:
            return database.execute(query).fetchall()

    def records(self) -> dict[str, DecisionRecord]:
        """Return every record by its id, in this order."""
        found = {kept.id: kept.record for kept in self.store.records(None)}
        records = {
            name: one for name, one in sorted(found.items()) if isinstance(one, DecisionRecord)
        }
        assert len(records) == len(found)
        return records


@pytest.fixture(scope="module", params=[*DIRECTORIES.values()], ids=[*DIRECTORIES])
def kept(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kept]:
    """Yield a copy of what is kept here, or of what was made elsewhere: opening a store writes."""
    directory: Path = request.param
    copy = tmp_path_factory.mktemp("records") / "store"
    shutil.copytree(directory / "store", copy)
    key = bytes.fromhex((directory / "identifier.key").read_text())
    made = read_made(directory)
    # Records older than 30 days are let go of when others are stored; nothing is stored here.
    store = open_store(f"sqlite:{copy}", key=key)
    yield Kept(store, copy / DATABASE, Registry(directory / "registry"), made)
    store.close()


def read_made(directory: Path) -> Made:
    """Return what is said of the records in a directory."""
    return msgspec.json.decode((directory / "made.json").read_bytes(), type=Made)


def digest(found: Mapping[str, bytes]) -> str:
    """Return the SHA-256 over the ids, ascending, each with the SHA-256 of what stands there."""
    whole = hashlib.sha256()
    for name in sorted(found):
        whole.update(name.encode() + hashlib.sha256(found[name]).digest())
    return whole.hexdigest()


def test_the_fixture_is_the_one_that_was_made() -> None:
    """What is kept here says of itself what is written down here."""
    assert read_made(FIXTURE) == KEPT


def test_more_records_are_there() -> None:
    """Other records of the same commit are read as well, where there are any."""
    if "more" not in DIRECTORIES:
        pytest.skip(f"NO MORE RECORDS REPLAYED than the {KEPT.records}: {MORE} names no directory")
    made = read_made(DIRECTORIES["more"])
    assert made.commit == KEPT.commit
    assert made.decisions != KEPT.decisions


def test_each_decision_is_the_same_again(kept: Kept) -> None:
    """Every record, its release and its policy alone give the decision again, byte for byte."""
    replayer = Replayer(kept.registry)
    for one in kept.store.records(None):
        replayer.add(one)
    assert replayer.faults == []
    assert replayer.same == replayer.count == kept.made.records


def test_each_record_is_sealed_as_it_was(kept: Kept) -> None:
    """Every seal holds under the key, and the chain names every record."""
    found = kept.store.verify()
    assert found.faults == ()
    assert (found.records, found.erased, found.unlinked) == (kept.made.records, 0, 0)


def test_the_decisions_are_those_that_were_made(kept: Kept) -> None:
    """All ids and decisions together have the digest that the version which made them wrote."""
    records = kept.records()
    decisions = {name: msgspec.msgpack.encode(one.decision) for name, one in records.items()}
    assert (len(decisions), digest(decisions)) == (kept.made.records, kept.made.decisions)


def test_the_answers_are_those_that_were_given(kept: Kept) -> None:
    """The messages that answer with the decisions have the digest that was written then."""
    answers = {}
    for name, record in kept.records().items():
        response = pb.RecommendResponse()
        fill_answer(response, name, record.decision, record.rows)
        answers[name] = response.SerializeToString(deterministic=True)
    assert digest(answers) == kept.made.answers


def test_records_say_the_same_written_again(kept: Kept) -> None:
    """A record that is read and written in the format of today says the same, profile included."""
    rows = kept.rows("SELECT blob FROM decisions")
    assert len(rows) == kept.made.records
    for (blob,) in rows:
        content = zstandard.decompress(blob[1 + MAC_BYTES :])
        record = decode(content, DecisionRecord)
        assert payload_of(encode(record)) == payload_of(content)
        customer = decode_customer(record.profile)
        assert decode_customer(encode(customer)) == customer


def test_customers_and_catalogue_say_the_same_written_again(kept: Kept) -> None:
    """Customers, forwards, items and offers are the same when written in the format of today."""
    customers = kept.rows("SELECT version, blob FROM customers")
    for version, blob in customers:
        assert version_of(blob) == version
        customer = decode_customer(blob)
        assert decode_customer(encode(customer, version)) == customer
    catalogue = kept.rows("SELECT kind, blob FROM catalogue")
    for kind, blob in catalogue:
        row: Item | Offer = decode(blob, Item) if kind == "item" else decode(blob, Offer)
        assert payload_of(encode(row)) == payload_of(blob)
    assert customers
    assert catalogue


def test_the_log_says_the_same_written_again(kept: Kept) -> None:
    """Events, links and unlinks are the same lines again, with the same hashes of content."""
    rows = kept.rows("SELECT arrival, identifier, event_id, content, blob FROM log")
    kinds = set()
    for arrival, identifier, event_id, content, blob in rows:
        entry = decode_entry(blob)
        kinds.add(type(entry.statement))
        if isinstance(entry.statement, Event):
            line = event_line(entry.statement, entry.arrival)
        elif isinstance(entry.statement, Link):
            line = link_line(entry.statement, entry.arrival)
        else:
            line = unlink_line(entry.statement, entry.arrival)
        assert line[:4] == (arrival, identifier or b"", event_id or "", content)
        assert decode_entry(line.blob) == entry
    assert len(kinds) == 3


def test_releases_and_policies_are_what_they_are_called(kept: Kept) -> None:
    """Releases are whole and answer their golden requests; policies are written as they were."""
    entries = kept.registry.entries()
    for entry in entries:
        directory = kept.registry.path(entry.release)
        text = encode_canonical(verify_release(directory))
        assert text == (directory / "manifest.json").read_bytes()
        assert hashlib.sha256(text).hexdigest() == entry.release
        release = load_release(directory)
        for golden in read_golden(directory):
            check_golden(release, golden)
    policies = sorted((kept.registry.directory / POLICIES).glob("*.json"))
    for path in policies:
        policy = kept.registry.policy(path.stem)
        assert policy.digest == path.stem
        assert policy.canonical + b"\n" == path.read_bytes()
    assert len(entries) == 6
    assert len(policies) > 40
