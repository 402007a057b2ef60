"""The table that `make prove` ends with: each promise, what was done to it, and the figure."""

from typing import Protocol

import pytest
from rich.console import Console
from rich.table import Table

# The marks of what `make prove` alone runs, and which takes up to an hour on a small machine.
LONG = [pytest.mark.prove, pytest.mark.timeout(3_600)]

_ROWS: list[tuple[str, str, str]] = []


class Proof(Protocol):
    """Adds a row to the table."""

    def __call__(self, promise: str, done: str, figure: str) -> None:
        """`promise` names it, `done` is what was done to it, `figure` is what came out."""


@pytest.fixture
def proof() -> Proof:
    """Return what collects the rows; a test adds one when its assertions have held."""

    def add(promise: str, done: str, figure: str) -> None:
        _ROWS.append((promise, done, figure))

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if there is anything in it."""
    if not _ROWS:
        return
    table = Table("promise", "what was done", "figure", title="Proofs", show_lines=True)
    for row in sorted(_ROWS):
        table.add_row(*row)
    console = Console(width=120, no_color=True)
    with console.capture() as printed:
        console.print(table)
    terminalreporter.ensure_newline()
    terminalreporter.write(printed.get())
