"""Kept decisions are shown as they were answered, and decided again from their records alone."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from models.policy.schema import AtMost, Exploration, Policy
from service.cli import app
from service.commands.existing_store import existing_store
from service.config.settings import read_settings
from service.store.database.location import DATABASE
from tests.support.in_process import event, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.machine

EXPLORING = Policy(
    exploration=Exploration(temperature=0.5), diversity=(AtMost(feature="brand", limit=2),)
)


def test_decisions_are_shown_and_replayed(tmp_path: Path) -> None:
    """Across events, channels and policies each record replays, and a changed one is named."""
    with running(tmp_path) as live:
        first = live.recommend("a", count=3)
        live.record(event("e1", "a", "purchase", item_id=first.offers[0].item_id))
        live.registry.publish(EXPLORING, 2)
        assert eventually(
            lambda: live.server.dependencies.active_release.snapshot.policy == EXPLORING
        )
        second = live.recommend("a", channel="email")
        live.recommend("b", intent="discovery")
    store = f"sqlite:{tmp_path / 'data'}"
    run = CliRunner().invoke
    shown = run(app, ["decisions", "show", first.decision_id, "--store", store])
    assert shown.exit_code == 0
    assert all(offer.offer_id in shown.stdout for offer in first.offers)
    assert "for channel web" in shown.stdout
    replay = ["decisions", "replay", "--store", store, "--registry", str(tmp_path / "registry")]
    done = run(app, replay)
    assert done.exit_code == 0, done.stdout
    assert "3 of 3 decisions are the same again." in done.stdout
    verify = ["decisions", "verify", "--store", store]
    whole = run(app, verify)
    assert whole.exit_code == 0, whole.stdout
    assert "3 decisions are as they were stored" in whole.stdout
    with existing_store(read_settings(None, store=store)) as opened:
        record = opened.decision(second.decision_id)
        assert record is not None
        slate = (msgspec.structs.replace(record.decision.slate[0], score=1),)
        decision = msgspec.structs.replace(record.decision, slate=slate)
        opened.commit(msgspec.structs.replace(record, decision=decision))
    changed = run(app, [*replay, second.decision_id])
    assert changed.exit_code == 65
    assert "slate: differs" in changed.stdout
    with closing(sqlite3.connect(tmp_path / "data" / DATABASE)) as database, database:
        database.execute("DELETE FROM decisions WHERE id = ?", (first.decision_id,))
        database.execute("UPDATE decisions SET blob = x'28' WHERE id = ?", (second.decision_id,))
    found = run(app, verify)
    assert found.exit_code == 65
    assert "1 decisions are as they were stored" in found.stdout
    assert first.decision_id in found.stdout
    out = str(tmp_path / "export")
    export = run(app, ["log", "export", "--out", out, "--store", store])
    assert export.exit_code == 65
    assert f"decision {second.decision_id}: not as it was stored" in export.output
    assert Path(out, "decisions.parquet").exists()
    unknown = run(app, ["decisions", "show", "nothing", "--store", store])
    assert unknown.exit_code != 0


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A command over decisions makes no store where there is none."""
    store = f"sqlite:{tmp_path / 'none'}"
    result = CliRunner().invoke(app, ["decisions", "replay", "--store", store])
    assert isinstance(result.exception, FileNotFoundError)
    assert not (tmp_path / "none").exists()
