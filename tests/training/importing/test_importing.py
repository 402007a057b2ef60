"""Importing tables in someone else's schema: rejects, repeats, ids, the command."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.errors import BadDataset
from tests.support.imports import ABOUT, EVENTS, HEADER, rejects, run
from training.commands import app

pytestmark = pytest.mark.machine


def test_a_bad_row_neither_stops_nor_vanishes(tmp_path: Path) -> None:
    """Each bad row is in the reject file with file, row, column and reason; the rest is kept."""
    text = HEADER + (
        "1,look,2026-01-01T10:00:00Z,a\n"
        "2,dance,2026-01-01T10:00:00Z,a\n"
        "3,buy,yesterday,a\n"
        ",buy,2026-01-01,a\n"
        "5,buy\n"
        "6,buy,2026-01-02 10:00:00,b\n"
    )
    imported, dataset = run(tmp_path, ABOUT + EVENTS, {"events.csv": text})
    assert dataset.events["identifier"].to_list() == ["1", "6"]
    assert rejects(tmp_path) == [
        ("events.csv", 2, "what", "not in the map of type"),
        ("events.csv", 3, "at", "not a time"),
        ("events.csv", 4, "identifier", "required"),
        ("events.csv", 5, "", "2 fields, the header has 4"),
    ]
    (tally,) = imported.rejects.tallies
    assert (tally.read, tally.kept, tally.rejected) == (6, 2, 4)


def test_what_counts_for_nothing_is_noted(tmp_path: Path) -> None:
    """Events about no item and no offer are kept, and counted by type in the report."""
    text = (
        HEADER + "1,look,2026-01-01,a\n1,look,2026-01-02,\n2,buy,2026-01-03,\n2,buy,2026-01-04,\n"
    )
    imported, dataset = run(tmp_path, ABOUT + EVENTS, {"events.csv": text})
    assert dataset.events.height == 4
    about_nothing = "are about no item and no offer, and count for nothing"
    assert imported.rejects.notes[:2] == [
        f"2 events of type purchase {about_nothing}",
        f"1 events of type view {about_nothing}",
    ]


def test_too_many_rejects_leave_nothing(tmp_path: Path) -> None:
    """Over the stated share the import fails, without a dataset but with the reject file."""
    text = HEADER + "1,look,2026-01-01,a\n2,look,never,a\n"
    with pytest.raises(BadDataset, match=r"1 of 2 rows rejected \(50\.00%\)"):
        run(tmp_path, ABOUT + EVENTS, {"events.csv": text}, max_rejects=0.4)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "events.csv",
        "mapping.toml",
        "rejects.csv",
    ]


def test_repeated_rows_are_counted_not_rejected(tmp_path: Path) -> None:
    """A row told twice is one event, unless the mapping says that it happened twice."""
    text = HEADER + 2 * "1,look,2026-01-01,a\n"
    imported, dataset = run(tmp_path, ABOUT + EVENTS, {"events.csv": text})
    assert dataset.events.height == 1
    assert imported.rejects.tallies[0].repeated == 1
    assert imported.rejects.rejected == 0
    (tmp_path / "keep").mkdir()
    keep = EVENTS.replace('file = "events"', 'file = "events"\nduplicates = "keep"')
    _, dataset = run(tmp_path / "keep", ABOUT + keep, {"events.csv": text})
    assert dataset.events["event_id"].n_unique() == 2


def test_one_id_says_one_thing(tmp_path: Path) -> None:
    """A second event under one id that says otherwise is a reject; another customer's is not."""
    mapping = ABOUT + EVENTS.replace('item = "thing"', 'item = "thing"\nevent_id = "id"')
    text = (
        "id,who,what,at,thing\n"
        "e,1,look,2026-01-01,a\n"
        "e,1,look,2026-01-01,b\n"
        "e,2,look,2026-01-01,b\n"
    )
    _, dataset = run(tmp_path, mapping, {"events.csv": text})
    assert dataset.events["item"].to_list() == ["a", "b"]
    assert [(row, column) for _, row, column, _ in rejects(tmp_path)] == [(2, "event_id")]


def test_event_ids_do_not_follow_the_item(tmp_path: Path) -> None:
    """Without an id of their own, events of one moment are not in the order of their items."""
    things = [f"{number:03d}" for number in range(64)]
    text = HEADER + "".join(f"1,look,2026-01-01,{thing}\n" for thing in things)
    _, dataset = run(tmp_path, ABOUT + EVENTS, {"events.csv": text})
    order = dataset.events["item"].to_list()
    assert sorted(order) == things
    assert order != things


def test_command_line(tmp_path: Path) -> None:
    """The command reports rows by file and reason, and gives 78 for a wrong mapping."""
    (tmp_path / "events.csv").write_text(HEADER + "1,look,2026-01-01,a\n" * 2 + "2,look,no,a\n")
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(ABOUT + EVENTS)
    out = tmp_path / "out"
    command = ["import", str(mapping), "--out", str(out), "--max-rejects", "0.5"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "not a time" in done.stdout
    assert (tmp_path / "out.rejects.csv").exists()
    again = CliRunner().invoke(app, command)
    assert isinstance(again.exception, FileExistsError)
    mapping.write_text((ABOUT + EVENTS).replace("who", "whom"))
    wrong = CliRunner().invoke(app, [*command[:3], str(tmp_path / "other")])
    assert wrong.exit_code == 78
    assert "events[0].identifier" in wrong.stderr
