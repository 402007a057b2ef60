"""A month of decisions replays bit for bit, and whoever changes a record is found out."""

import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from models.decision.replay import replay
from models.domain.decisions import DecisionRecord
from models.release.registry import Registry
from service.decisions.replayer import Replayer
from service.store.database.backend import SealedDecision
from service.store.database.location import DATABASE
from service.store.opening import open_store
from service.store.records.sealing import Seal
from service.store.sqlite.backend import SqliteBackend
from tests.support.backends import STORE_KEY
from tests.support.month import Month
from tests.support.paths import ROOT
from tests.support.proof_table import LONG, Proof
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.machine


@pytest.mark.parametrize("decisions", [600, pytest.param(100_000, marks=LONG)])
def test_a_month_replays(tmp_path: Path, proof: Proof, decisions: int) -> None:
    """In a fresh process each decision of a month is made again; each tampered one is named."""
    (tmp_path / "identifier.key").write_text(STORE_KEY.hex())
    data, registry = tmp_path / "data", Registry(tmp_path / "registry")
    store = open_store(f"sqlite:{data}", key=STORE_KEY, timeout=PATIENCE)
    month = Month(store, registry)
    assert sum(1 for _ in month.live(decisions)) == decisions
    store.close()
    lived = month.counts
    assert (lived["releases"], lived["policies"]) == (5, 10)
    assert lived["changes of stock and price"] >= decisions / 10

    replayed = _throughline("replay", tmp_path, "--registry", str(registry.directory))
    assert f"{decisions:,} of {decisions:,} decisions are the same again." in replayed
    verified = _throughline("verify", tmp_path)
    assert f"{decisions:,} decisions are as they were stored" in verified
    size = _bytes_of_a_record(data)
    happened = ", ".join(f"{number:,} {what}" for what, number in sorted(lived.items()))
    proof(
        "a month replays (S0)",
        f"28 simulated days: {happened}; then `throughline decisions replay` in a fresh process",
        f"{decisions:,} of {decisions:,} byte for byte; {size:,.0f} bytes a record",
    )

    shutil.copytree(data, tmp_path / "tampered")
    names = tampered(tmp_path / "tampered", registry, min(1_000, decisions // 4))
    store = open_store(f"sqlite:{tmp_path / 'tampered'}", key=STORE_KEY, timeout=PATIENCE)
    found = {fault.about for fault in store.verify().faults}
    store.close()
    assert found == names
    proof(
        "who tampers with decisions is found out",
        f"{len(names):,} records: bits, ends, others' content, decisions remade to follow from "
        "changed customers and sealed under another key or the very key, records deleted",
        f"{len(found):,} named, and no other of {decisions:,}",
    )


def tampered(data: Path, registry: Registry, number: int) -> set[str]:
    """Change so many of the records below `data`, each kind alike; return their names."""
    draw, seal, forger = random.Random(2), Seal(STORE_KEY), Seal(bytes(32))
    remade = Remade(registry)
    backend = SqliteBackend(data)
    blobs = dict(backend.decisions(None))
    names = draw.sample(sorted(blobs), number)

    def bit(name: str) -> bytes:
        at = draw.randrange(len(blobs[name]))
        changed = bytes([blobs[name][at] ^ 1 << draw.randrange(8)])
        return blobs[name][:at] + changed + blobs[name][at + 1 :]

    kinds: tuple[Callable[[str], bytes | None], ...] = (
        bit,
        lambda name: blobs[name][: draw.randrange(len(blobs[name]))],
        lambda name: blobs[draw.choice([other for other in names if other != name])],
        lambda name: forger.seal(remade(seal.open(name, blobs[name]))).blob,
        lambda name: seal.seal(remade(seal.open(name, blobs[name]))).blob,
        lambda name: None,
    )
    changed = [(name, kinds[at % len(kinds)](name)) for at, name in enumerate(names)]
    times = {name: seal.open(name, blobs[name]) for name in names}
    backend.put_decisions(
        [
            SealedDecision(name, times[name].customer, times[name].time, blob)
            for name, blob in changed
            if blob is not None
        ]
    )
    backend.close()
    with closing(sqlite3.connect(data / DATABASE)) as database, database:
        gone = [(name,) for name, blob in changed if blob is None]
        database.executemany("DELETE FROM decisions WHERE id = ?", gone)
    return set(names)


class Remade:
    """Makes of a record another one that is consistent: its decision follows from what it says."""

    def __init__(self, registry: Registry) -> None:
        self._replayer = Replayer(registry)

    def __call__(self, record: DecisionRecord) -> DecisionRecord:
        """Return the record as if fewer or more offers had been asked for."""
        replayer = self._replayer
        count = 2 if record.request.count == 1 else 1
        request = msgspec.structs.replace(record.request, count=count)
        changed = msgspec.structs.replace(record, request=request)
        decision = replay(changed, replayer.release(record), replayer.policy(record))
        return msgspec.structs.replace(changed, decision=decision)


def _throughline(command: str, directory: Path, *more: str) -> str:
    """Run `throughline decisions` in a process of its own, and return what it prints."""
    line = [sys.executable, "-m", "service.cli", "decisions", command]
    line += ["--store", f"sqlite:{directory / 'data'}"]
    line += ["--key-file", str(directory / "identifier.key"), *more]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def _bytes_of_a_record(data: Path) -> float:
    with closing(sqlite3.connect(data / DATABASE)) as database:
        (size,) = database.execute("SELECT avg(length(blob)) FROM decisions").fetchone()
    return float(size)
