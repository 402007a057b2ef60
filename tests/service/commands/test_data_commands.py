"""The commands `load` and `log export`: what they print, and the one line when they cannot."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.domain.dataset import read_metadata
from models.domain.input.warnings import Warned
from service import cli
from tests.support.datasets import retailer, write_dataset

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run `throughline` in an empty folder; return its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run_(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["throughline", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else 0), printed.out, printed.err

    return run_


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    """The small retailer, by its name in the folder."""
    write_dataset(tmp_path / "retailer", retailer())
    return "retailer"


def cells(printed: str) -> list[list[str]]:
    """Return the words of each line of a table."""
    return [line.split() for line in printed.splitlines() if line.strip()]


def test_load_and_export_tell_what_they_did(run: Run, dataset: str) -> None:
    """A dataset goes in and out again in two commands, each with a table of what it moved."""
    code, out, err = run("load", dataset)
    assert (code, err) == (0, "")
    assert ["events", "340", "340", "0", "0", "0"] in cells(out)
    code, out, _ = run("load", dataset)
    assert ["events", "340", "0", "0", "0", "340"] in cells(out)
    code, out, err = run("log", "export", "--out", "exported")
    assert (code, err) == (0, "")
    assert ["exported:", "timed"] in cells(out)
    assert ["events", "340"] in cells(out)
    assert read_metadata(Path("exported")).identifiers == "keyed"
    code, out, _ = run("load", "exported")
    assert ["events", "340", "0", "340", "0", "0"] in cells(out)


def test_load_warns_of_what_counts_for_nothing(run: Run, tmp_path: Path) -> None:
    """Each kind of warning is told with its count and one event, in the words of `record`."""
    tables = retailer()
    nothing: dict[str, Any] = {"type": "view", "item": None}
    odd = [
        {**tables["events"][0], "event_id": f"odd-{number}", **change}
        for number, change in enumerate((nothing, nothing, {"item": "nowhere"}))
    ]
    write_dataset(tmp_path / "odd", {**tables, "events": [*tables["events"], *odd]})
    code, out, err = run("load", "odd")
    assert (code, err) == (0, "")
    said = " ".join(out.split())
    assert f"{Warned.ABOUT_NOTHING.words} 2 odd-0" in said
    assert f"{Warned.UNKNOWN_ITEM.words} 1 odd-2" in said
    # A chunk that an earlier run finished is not gone through.
    assert "odd-" not in run("load", "odd")[1]


def test_since_leaves_out_what_came_before(run: Run, dataset: str) -> None:
    """`--since` is a time of arrival, whatever time the events bear."""
    run("load", dataset)
    _, out, _ = run("log", "export", "--since", "2100-01-01", "--out", "none")
    assert ["events", "0"] in cells(out)
    _, out, _ = run("log", "export", "--since", "2020-01-01T00:00:00Z", "--out", "all")
    assert ["events", "340"] in cells(out)


def test_what_is_missing_or_in_the_way_is_one_line(run: Run, dataset: str) -> None:
    """Each failure is one line on stderr with the exit code of its kind, and changes nothing."""
    assert run("load", "absent") == (66, "", "throughline: absent: not found\n")
    code, _, err = run("log", "export", "--out", "e")
    assert (code, err) == (66, "throughline: var/data/throughline.db: not found\n")
    assert not Path("var").exists()
    code, _, err = run("load", dataset, "--store", "redis://127.0.0.1:1/0")
    assert (code, err.startswith("throughline: key_file: missing")) == (78, True)
    code, _, err = run("load", ".")
    assert (code, err.startswith("throughline: dataset.json: not found")) == (65, True)
    run("load", dataset)
    code, _, err = run("log", "export", "--out", dataset)
    assert (code, err) == (73, "throughline: retailer: exists and is not an empty directory\n")


def test_a_damaged_dataset_is_refused_in_one_line(run: Run, dataset: str) -> None:
    """A file that changed since it was written is named, with the exit code of bad data."""
    with Path(dataset, "events.parquet").open("ab") as file:
        file.write(b"x")
    code, out, err = run("load", dataset)
    assert (code, out, err.count("\n")) == (65, "", 1)
    assert err.startswith("throughline: retailer/events.parquet: changed since it was written")


def test_another_key_is_refused(run: Run, dataset: str) -> None:
    """A store keeps its key: with another one nothing goes in or out."""
    run("load", dataset)
    Path("other.key").write_text("ab" * 32)
    for words in (("load", dataset), ("log", "export", "--out", "e")):
        code, out, err = run(*words, "--key-file", "other.key")
        assert (code != 0, out) == (True, "")
        assert "hashed under key" in err
    assert not Path("e").exists()


def test_declared_names_come_from_the_settings(run: Run, tmp_path: Path) -> None:
    """What the settings declare may be loaded, and an export says what it was declared as."""
    tables = retailer()
    tables["events"][1]["type"] = "watch"
    write_dataset(tmp_path / "declared", tables, event_types={"watch": "view"})
    code, _, err = run("load", "declared")
    assert (code, "row 2: column type: unknown" in err) == (65, True)
    Path("settings.toml").write_text('event_types = { watch = "view" }\n')
    code, _, _ = run("load", "declared", "--config", "settings.toml")
    assert code == 0
    run("log", "export", "--out", "e", "--config", "settings.toml")
    assert read_metadata(Path("e")).event_types == {"watch": "view"}
