"""README, and the pages of the examples, show only commands and targets that exist."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from service.cli import app
from tests.channels import RETRIES
from tests.paths import ROOT

pytestmark = pytest.mark.machine

PAGES = [ROOT / "README.md", *sorted((ROOT / "examples").rglob("*.md"))]
FENCE = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def shown(page: Path) -> list[str]:
    """Return the command lines of a page's fenced blocks, continued lines joined, prompts off."""
    blocks = FENCE.findall(page.read_text(encoding="utf-8"))
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip().removeprefix("$ ") for line in lines]


def commands(program: str) -> list[Any]:
    """Return a test case for each line of every page that runs `program`."""
    return [
        pytest.param(line, id=f"{page.relative_to(ROOT)}: {line}")
        for page in PAGES
        for line in shown(page)
        if re.match(rf"{program}( |$)", line)
    ]


@pytest.mark.parametrize("line", commands("throughline"))
def test_shown_commands_exist(line: str) -> None:
    """Every `throughline ...` line names a command, and options that it has."""
    words = shlex.split(re.split(r"\s[|<>&]", line)[0], comments=True)[1:]
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, f"no command {words[0]}"
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in known | {"--help"}, word


@pytest.mark.parametrize("line", commands("make"))
def test_shown_targets_exist(line: str) -> None:
    """Every `make X` line names a target of the Makefile."""
    targets = TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8"))
    for word in shlex.split(line, comments=True)[1:]:
        assert "=" in word or word in targets, word


def test_readme_shows_the_two_commands() -> None:
    """README shows `make demo` and `make test`, and only .venv-relative paths a stranger has."""
    lines = shown(ROOT / "README.md")
    assert any(re.match(r"make demo\b", line) for line in lines)
    assert any(re.match(r"make test\b", line) for line in lines)


def test_readme_shows_the_retries_that_are_proven() -> None:
    """The service configuration that README gives is the one that the proofs of restarts use."""
    (block,) = re.findall(r"^```json\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert json.loads(block) == {"methodConfig": [RETRIES]}
