"""The command line: every command explains itself, and what goes wrong is one line and a code."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from service import cli

pytestmark = pytest.mark.machine

HEAVY = (
    *("grpc", "numpy", "faiss", "polars", "pyarrow", "lightfm", "pydantic"),
    *("rich", "google.protobuf"),
)


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every command with its full name."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from leaves(inner, (*path, name))
    else:
        yield " ".join(path), command


def groups(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every group of commands with its full name, that of all commands first."""
    if hasattr(command, "commands"):
        yield " ".join(path), command
        for name, inner in command.commands.items():
            yield from groups(inner, (*path, name))


COMMANDS = dict(leaves(typer.main.get_command(cli.app)))
GROUPS = dict(groups(typer.main.get_command(cli.app)))


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    """Run the command line in this process; return its exit code and what it said on stderr."""
    monkeypatch.setattr(sys, "argv", ["throughline", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0), capsys.readouterr().err


def test_every_command_is_there() -> None:
    """The commands that the project promises exist."""
    assert set(COMMANDS) >= {
        *("demo", "serve", "load", "log export", "import", "simulate", "train", "evaluate"),
        *("recommend", "record", "link", "unlink", "customer", "health"),
        *("offers list", "offers get", "offers upsert", "offers withdraw"),
        *("items list", "items get", "items upsert", "items withdraw"),
        *("releases list", "releases verify", "releases promote", "releases rollback"),
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    """A command, each of its options and each of its arguments has a help text."""
    assert COMMANDS[name].help
    for parameter in COMMANDS[name].params:
        assert getattr(parameter, "help", "") or parameter.name == "help", parameter.name


def shown_help(monkeypatch: pytest.MonkeyPatch, columns: int, name: str) -> str:
    """Return the help of a command, or of a group, on a terminal of so many columns."""
    monkeypatch.setenv("COLUMNS", str(columns))
    done = CliRunner().invoke(cli.app, [*name.split(), "--help"])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_fits(
    monkeypatch: pytest.MonkeyPatch, name: str, columns: int
) -> None:
    """No line of a help text is longer than the terminal, and no option's name is cut."""
    said = shown_help(monkeypatch, columns, name)
    assert max(map(len, said.splitlines())) <= columns
    assert "…" not in said
    for parameter in COMMANDS[name].params:
        names = parameter.opts if parameter.param_type_name == "option" else []
        assert set(names) <= set(re.split(r"[\s,]+", said)), parameter.name


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("name", GROUPS)
def test_the_help_of_a_group_is_whole(
    monkeypatch: pytest.MonkeyPatch, name: str, columns: int
) -> None:
    """A group tells each of its commands with the whole first sentence of its help."""
    said = shown_help(monkeypatch, columns, name)
    assert max(map(len, said.splitlines())) <= columns
    words = " ".join(said.split())
    for inner, command in GROUPS[name].commands.items():
        first = " ".join(command.help.partition("\n\n")[0].split())
        assert f"{inner} {first}" in words


def test_help_imports_nothing_heavy() -> None:
    """`throughline --help` stays instant: what a command needs is imported when it runs."""
    program = f"import sys, service.cli\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_a_bad_identifier_is_bad_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An identifier without a namespace is told with its option."""
    code, said = run(monkeypatch, capsys, "recommend", "--id", "L1", "--channel", "web")
    assert (code, said) == (
        os.EX_DATAERR,
        "throughline: --id: want namespace:value, such as loyalty:L1\n",
    )


def test_an_absent_service_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no service answers, the line says where it was looked for."""
    arguments = ("customer", "--id", "loyalty:L1", "--server", "127.0.0.1:1")
    code, said = run(monkeypatch, capsys, *arguments)
    assert code == os.EX_UNAVAILABLE
    assert said.count("\n") == 1
    assert "127.0.0.1:1" in said


def test_a_missing_file_is_missing_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A file of events that is not there is named."""
    path = tmp_path / "events.jsonl"
    code, said = run(monkeypatch, capsys, "record", str(path))
    assert (code, said) == (os.EX_NOINPUT, f"throughline: {path}: not found\n")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "row 2: not JSON"),
        ("[]", "row 2: want one JSON object a line"),
        ('{"typ": "view"}', "row 2, column typ"),
        ('{"time": "yesterday"}', "row 2, column time"),
        ('{"identifier": "L1"}', "row 2, column identifier"),
        ('{"item_id": "a", "quantity": "many"}', "row 2, column quantity"),
    ],
)
def test_a_bad_row_names_file_row_and_column(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    line: str,
    told: str,
) -> None:
    """A row that is no event stops the command before anything is sent."""
    path = tmp_path / "events.jsonl"
    path.write_text(f'{{"event_id": "e1", "identifier": "loyalty:L1"}}\n{line}\n')
    code, said = run(monkeypatch, capsys, "record", str(path))
    assert code == os.EX_DATAERR
    assert f"{path}: {told}" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("polars", ("simulate", "--out", "data"), "train"),
        ("pyarrow", ("log", "export", "--out", "data"), "data"),
        ("pyarrow", ("demo",), "data"),
    ],
)
def test_a_missing_extra_says_how_to_install_it(
    tmp_path: Path, package: str, arguments: tuple[str, ...], extra: str
) -> None:
    """Without the packages of an extra, its commands say in one line which extra they need."""
    program = (
        "import sys\n"
        f"sys.modules[{package!r}] = None\n"
        f"sys.argv = ['throughline', *{arguments!r}]\n"
        "from service.cli import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"throughline: this needs the extra `{extra}`: pip install 'throughline[{extra}]'\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_registry_without_releases_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An empty registry lists nothing and can neither promote nor roll back."""
    registry = ("--registry", str(tmp_path))
    assert run(monkeypatch, capsys, "releases", "list", *registry) == (0, "")
    code, said = run(monkeypatch, capsys, "releases", "promote", "0123456789", *registry)
    assert (code, said) == (os.EX_DATAERR, "throughline: release_id: not in the registry\n")
    assert run(monkeypatch, capsys, "releases", "rollback", *registry)[0] == 1
