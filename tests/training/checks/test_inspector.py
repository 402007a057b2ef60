"""What commands tell of the checks, and how they stop."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from service.config.exit_codes import run_and_report
from tests.support.imports import ABOUT, EVENTS, HEADER
from tests.support.small_release import write_small_release
from training.commands import app

SPOILT = HEADER + "".join(f"{at + 1}.0,buy,2026-01-0{1 + at % 7},t{at % 3}\n" for at in range(12))


def importing(folder: Path, *options: str) -> list[str]:
    """Return the arguments of an import of events whose customers became floats."""
    (folder / "events.csv").write_text(SPOILT)
    (folder / "mapping.toml").write_text(ABOUT + EVENTS)
    return ["import", str(folder / "mapping.toml"), "--out", str(folder / "out"), *options]


def refused(program: Callable[[], object]) -> int:
    """Run a program that ends by an error, as `throughline` does, and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        run_and_report(program)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_an_import_tells_what_it_doubts(tmp_path: Path) -> None:
    """Beside its report on stdout, an import tells doubts on stderr, with count and remedy."""
    result = CliRunner().invoke(app, importing(tmp_path))
    assert result.exit_code == 0, result.output
    assert "id-float" not in result.stdout
    (line,) = [line for line in result.stderr.splitlines() if "id-float" in line]
    assert line.split()[0] == "warning"
    assert "ids of user end in .0" in line
    assert " 12 " in line
    assert "export as text or whole numbers" in line
    assert (tmp_path / "out").is_dir()


def test_a_strict_import_writes_nothing_in_doubt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under --strict a warning ends an import with 65 and one line more; no dataset is written."""
    arguments = importing(tmp_path, "--strict")
    code = refused(lambda: app(arguments, standalone_mode=False))
    assert code == os.EX_DATAERR
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("throughline: data in doubt: id-float; mend it")
    assert not (tmp_path / "out").exists()


def test_a_strict_training_learns_nothing_from_data_in_doubt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`train` tells doubts of the dataset and of what is held out before it learns anything."""
    assert CliRunner().invoke(app, importing(tmp_path)).exit_code == 0
    registry = tmp_path / "registry"
    arguments = ["train", str(tmp_path / "out"), "--registry", str(registry), "--strict"]
    assert refused(lambda: app(arguments, standalone_mode=False)) == os.EX_DATAERR
    told = capsys.readouterr().err
    assert "id-float" in told
    assert "case-few" in told
    assert told.splitlines()[-1].startswith("throughline: data in doubt: id-float; mend it")
    assert not list(registry.glob("*"))


def test_a_measurement_tells_what_it_doubts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`evaluate` tells doubts of histories and truth, in its JSON too, and --strict stops it."""
    assert CliRunner().invoke(app, importing(tmp_path)).exit_code == 0
    _, release = write_small_release(tmp_path / "registry")
    truth = tmp_path / "truth.parquet"
    rows = {"customer": ["user:1.0", "user:no one"], "item": ["t1", "nothing"]}
    pl.DataFrame(rows).write_parquet(truth)
    arguments = ["evaluate", str(release), "--truth", str(truth)]
    arguments += ["--histories", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    told = {check["check"]: check for check in json.loads(result.stdout)["checks"]}
    assert {"id-float", "case-few", "case-customer-unknown", "case-item-unknown"} <= set(told)
    assert told["case-customer-unknown"]["count"] == 1
    assert all(name in result.stderr for name in told)
    assert refused(lambda: app([*arguments, "--strict"], standalone_mode=False)) == os.EX_DATAERR
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("throughline: data in doubt: case-")
