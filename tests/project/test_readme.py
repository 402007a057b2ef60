"""README, the manual and the pages of the examples show only what exists."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from service.cli import app
from tests.support.channels import RETRIES
from tests.support.manual_pages import PAGES, blocks_of
from tests.support.paths import ROOT

pytestmark = pytest.mark.machine

TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def shown(page: Path) -> list[str]:
    """Return the command lines of a page's fenced blocks, continued lines joined, prompts off."""
    return [line.removeprefix("$ ") for block in blocks_of(page) for line in block.commands]


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


def test_the_manual_shows_the_retries_that_are_proven() -> None:
    """The service configuration in the manual is the one that the proofs of restarts use."""
    (block,) = [
        block for block in blocks_of(ROOT / "docs" / "operations.md") if block.language == "json"
    ]
    assert json.loads(block.text) == {"methodConfig": [RETRIES]}


LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a file of the project leads to one, and to a heading that is there."""
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        found = page if not name else (page.parent / name).resolve()
        assert found.exists(), target
        if heading:
            lines = found.read_text(encoding="utf-8").splitlines()
            headings = [line.lstrip("# ").lower() for line in lines if line.startswith("#")]
            assert heading in [re.sub(r"[^\w -]", "", one).replace(" ", "-") for one in headings]
