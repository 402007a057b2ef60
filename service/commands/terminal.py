"""What the commands print: tables and titles on stdout, progress and complaints on stderr."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text
from throughline.v1.common_pb2 import Money

# Columns that hold numbers read better flush right.
RIGHT_ALIGNED = frozenset(
    {
        *("rank", "price", "count", "items", "row", "code"),
        *("rows", "stored", "duplicates", "conflicts", "skipped"),
    }
)

# A pipe has no width: tables stay whole there, one row a line.
PIPE_WIDTH = 160


def output() -> Console:
    """Return the console for results."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(highlight=False, width=width, soft_wrap=False)


def error_console() -> Console:
    """Return the console for progress and complaints."""
    return Console(stderr=True, highlight=False)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> Table:
    """Return an aligned table; numbers flush right, everything else wraps in its column."""
    grid = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for name in columns:
        grid.add_column(name, justify="right" if name in RIGHT_ALIGNED else "left", overflow="fold")
    for row in rows:
        # As Text, so that what comes from outside is never read as markup.
        grid.add_row(*map(Text, row))
    return grid


def print_json(message: Message) -> None:
    """Print a message of the contract as JSON, under the names that the protos give."""
    print(MessageToJson(message, preserving_proto_field_name=True, ensure_ascii=False))


def money_text(amount: Money) -> str:
    """Return an amount as a person reads it; empty for none."""
    if not amount.currency:
        return ""
    digits = f"{amount.nanos:09d}".rstrip("0").ljust(2, "0")
    return f"{amount.units}.{digits} {amount.currency}"


@contextmanager
def busy(task: str) -> Iterator[None]:
    """Show that `task` is going on while the block runs, on stderr and only on a terminal."""
    console = error_console()
    if not console.is_terminal:
        yield
        return
    with console.status(task):
        yield
