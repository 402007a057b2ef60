"""The text of a mapping while it is written: keys with the reason for each, and what is open."""

import json
import re
import textwrap
from collections.abc import Iterable, Mapping

WIDTH = 98


class Draft:
    """Lines of TOML; `undecided` is what a person has to look at."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.undecided: list[str] = []

    def head(self, title: str) -> None:
        """Begin a block."""
        self.lines += ["", title]

    def tell(self, text: str) -> None:
        """Add a comment."""
        self.lines += textwrap.wrap(
            text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False
        )

    def decide(self, text: str, where: str = "") -> None:
        """Add what is left to decide, `where` names the table in the list of all."""
        self.undecided.append(f"{where}: {text}" if where else text)
        self.tell(f"To decide: {text}")

    def put(self, name: str, value: str, why: str = "", *, off: bool = False) -> None:
        """Add a key, a value of TOML and the reason; with `off` as a comment to take in."""
        line = ("# " if off else "") + f"{key(name)} = {value}"
        if why and len(line) + len(why) + 4 <= WIDTH:
            self.lines.append(f"{line}  # {why}")
            return
        if why:
            self.tell(why)
        self.lines.append(line)

    def add(self, other: "Draft") -> None:
        """Add the lines of another draft, and what is left to decide there."""
        self.lines += other.lines
        self.undecided += other.undecided

    def text(self) -> str:
        """Return the whole file."""
        return "\n".join(self.lines).strip("\n") + "\n"


def key(name: str) -> str:
    """Return a key of TOML; dotted ones must be made of bare names."""
    return name if re.fullmatch(r"[A-Za-z0-9_.-]+", name) else quoted(name)


def quoted(text: str) -> str:
    """Return a text of TOML."""
    return json.dumps(text, ensure_ascii=False)


def texts(values: Iterable[str]) -> str:
    """Return a list of texts of TOML."""
    return "[" + ", ".join(map(quoted, values)) + "]"


def inline(entries: Mapping[str, str]) -> str:
    """Return an inline table of values of TOML."""
    body = ", ".join(
        f"{name if re.fullmatch(r'[A-Za-z0-9_-]+', name) else quoted(name)} = {value}"
        for name, value in entries.items()
    )
    return f"{{ {body} }}" if body else "{}"
