"""The pages of README and the manual, their code blocks, and the mark that says how each is true.

The mark is an HTML comment right above the block:

    <!-- run -->                           its lines are run, in a directory like the checkout
    <!-- run: tests/FILE.py::TEST -->       that test runs it, or what it says
    <!-- run: as a policy -->               it is read as what it is; see `READ_AS` of test_docs
    <!-- generated: FILE -->                it is a part of that file
    <!-- generated: throughline ... -->     it is what that command prints at 80 columns
    <!-- not run: REASON -->                it is not
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
)

_MARK = re.compile(r"<!-- (run|generated|not run)(?:: (.*))? -->")


class Block(NamedTuple):
    """A fenced block: where it begins, its language, its text, and its mark's kind and claim."""

    page: str
    line: int
    language: str
    text: str
    kind: str
    claim: str

    @property
    def where(self) -> str:
        """Return the page and the line, as a compiler would."""
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """Return the lines, continued ones joined, without comments and empty ones."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def name_of(page: Path) -> str:
    """Return a page's path below the project."""
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order; one without a mark has the kind ""."""
    lines = page.read_text(encoding="utf-8").splitlines()
    opened: int | None = None
    for number, line in enumerate(lines):
        if not line.lstrip().startswith("```"):
            continue
        if opened is None:
            opened = number
            continue
        mark = _MARK.fullmatch(lines[opened - 1].strip()) if opened else None
        yield Block(
            page=name_of(page),
            line=opened + 1,
            language=lines[opened].strip().removeprefix("```"),
            text="".join(f"{inner}\n" for inner in lines[opened + 1 : number]),
            kind=mark[1] if mark else "",
            claim=(mark[2] or "") if mark else "",
        )
        opened = None
    assert opened is None, f"{name_of(page)}:{opened}: a block without an end"


def table_under(page: str, line: str) -> dict[str, list[str]]:
    """Return the rows of the first table below the line that begins so, by their first cell.

    Backticks are left off there; a row is the texts of its cells.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    _, found, below = f"\n{text}".partition(f"\n{line}")
    assert found, f"{page}: no line begins with {line}"
    rows: dict[str, list[str]] = {}
    for row in below.splitlines():
        if row.startswith("|"):
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            rows[cells[0].strip("`")] = cells
        elif rows:
            break
    header, ruler, *names = rows
    assert set(ruler) <= {"-", ":"}, f"{page}: {header}: no table"
    return {name: rows[name] for name in names}
