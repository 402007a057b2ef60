"""The command `migrate`: what it prints, what it refuses, and by which exit code."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from models import codec
from models.codec import FORMAT, READ
from models.domain.decisions import DecisionRecord
from service import cli
from service.commands.existing_store import existing_store
from service.config.settings import read_settings
from tests.support.kept_stores import KeptStore
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.machine

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kept(tmp_path: Path) -> KeptStore:
    """A copy of the embedded store of the format before."""
    return KeptStore(READ[0], tmp_path / "kept")


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kept: KeptStore
) -> Run:
    """Run `throughline` over that store; return its exit code, stdout and stderr."""
    monkeypatch.setenv("THROUGHLINE_EVENT_TYPES", '{"notified": "sent"}')
    monkeypatch.setenv("THROUGHLINE_STORE", kept.url)
    monkeypatch.setenv("THROUGHLINE_KEY_FILE", str(kept.key_file))

    def run_(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["throughline", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else 0), printed.out, printed.err

    return run_


def write(kept: KeptStore, statement: str, *values: object) -> None:
    """Change the database of a store."""
    with closing(sqlite3.connect(kept.database)) as database, database:
        database.execute(statement, values)


def test_it_says_what_it_does(run: Run) -> None:
    """A dry run says what would be done, a run what was done, and a second run that nothing is."""
    code, said, _ = run("migrate", "--dry-run")
    assert code == 0
    assert said.startswith(
        f"Format {READ[0]} to {FORMAT}: 54 customers would be written anew, from a log of 694 "
        "events, in "
    )
    assert said.endswith("Nothing was written.\n")
    code, said, _ = run("migrate")
    assert code == 0
    assert "54 customers were written anew, from a log of 694 events, in " in said
    assert run("migrate", "--dry-run") == run("migrate")
    assert run("migrate")[1] == (
        f"The store is of format {FORMAT}, that of this version: nothing to do.\n"
    )


def test_a_store_of_the_format_before_is_named(run: Run) -> None:
    """Who verifies decisions is told that the store is to be migrated, until it is."""
    hint = f"The store is of format {READ[0]}; this version has {FORMAT}: `throughline migrate`"
    assert hint in run("decisions", "verify")[1]
    run("migrate")
    assert "format" not in run("decisions", "verify")[1]


def test_who_cannot_be_read_is_named(run: Run, kept: KeptStore) -> None:
    """A customer of a later format is named, left as it is, and makes exit code 65."""
    who = kept.who("loyalty", 20)
    ((blob,),) = kept.rows(f"SELECT blob FROM customers WHERE id = x'{who.hex()}'")
    write(kept, "UPDATE customers SET blob = ? WHERE id = ?", b"\t" + blob[1:], who)
    code, _, said = run("migrate")
    assert code == os.EX_DATAERR
    assert said == (
        f"customer {who.hex()}: stored value: format 9 not known; this version: {FORMAT}; "
        "a later version reads it\n"
    )


@pytest.mark.parametrize("command", [("migrate",), ("decisions", "verify")])
def test_a_later_store_is_refused(run: Run, kept: KeptStore, command: tuple[str, ...]) -> None:
    """A store of a later format ends every command with one line and exit code 78."""
    write(kept, "INSERT INTO meta VALUES ('format', '9')")
    code, _, said = run(*command)
    assert code == os.EX_CONFIG
    assert said.splitlines()[-1] == (
        f"throughline: store: format 9; this version reads up to {FORMAT}: use a later version, "
        "one that reads format 9"
    )


def test_no_server_starts_over_a_later_store(run: Run, kept: KeptStore) -> None:
    """A server over a store of a later format ends at its start, in one line that says why."""
    write(kept, "INSERT INTO meta VALUES ('format', '9')")
    command = [sys.executable, "-m", "service.cli", "serve", "--listen", "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == os.EX_CONFIG
    assert done.stderr.splitlines()[-1].startswith("throughline: store: format 9; this version")


def test_a_store_that_is_not_there_is_not_made(run: Run, tmp_path: Path) -> None:
    """Where there is no store none is made, and the exit code is 66."""
    code, _, said = run("migrate", "--store", f"sqlite:{tmp_path / 'none'}")
    assert (code, said.rstrip().rpartition(": ")[2]) == (os.EX_NOINPUT, "not found")
    assert not (tmp_path / "none").exists()


def test_a_decision_of_a_later_format_is_named(
    run: Run, kept: KeptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decision that only a later version reads is named with its format by who verifies."""
    settings = read_settings(None)
    with existing_store(settings) as opened:
        (one, *_) = opened.records(None)
        assert isinstance(one.record, DecisionRecord)
        monkeypatch.setattr(codec, "FORMAT", 9)
        opened.commit(replace(one.record, id=opened.new_decision_id(one.record.customer, 1)))
    monkeypatch.undo()
    arguments = ("--store", kept.url, "--key-file", str(kept.key_file))
    for words in (("verify",), ("replay", "--registry", str(kept.registry))):
        code, said, _ = run("decisions", *words, *arguments)
        assert code == os.EX_DATAERR
        assert "format 9 not known" in said
        assert "not as it was stored" not in said
