"""The page that the demo prints on: at most 100 columns, headings, and command lines."""

import os
import sys
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

WIDTH = 100
INDENT = "    "


def page() -> Console:
    """Return a console on stdout that is as wide as the terminal, and at most `WIDTH` columns."""
    console = Console(highlight=False)
    # A pipe has no width of its own; COLUMNS may give it one.
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    console.width = min(console.width, WIDTH) if known else WIDTH
    return console


def heading(console: Console, text: str) -> None:
    """Print the title of a part of the demo."""
    console.print()
    console.print(Rule(Text(text, "bold"), align="left"))


def command_line(console: Console, words: Sequence[str]) -> None:
    """Print a command as it can be typed, on several lines where it is too long for one."""
    console.print()
    lines = list(_lines(["$ throughline", *_options(words)], console.width - len(" \\")))
    for line in lines[:-1]:
        console.print(Text(f"{line} \\", "bold cyan"), soft_wrap=True)
    console.print(Text(lines[-1], "bold cyan"), soft_wrap=True)


def _options(words: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command, an option and its value as one."""
    rest = iter(words)
    for word in rest:
        yield f"{word} {next(rest)}" if word.startswith("--") else word


def _lines(words: Sequence[str], width: int) -> Iterator[str]:
    line = words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) > width:
            yield line
            line = INDENT + word
        else:
            line += f" {word}"
    yield line
