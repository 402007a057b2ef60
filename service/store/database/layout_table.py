"""A table in Markdown: how docs show what a database keeps, from the code that declares it."""

from collections.abc import Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the rows under a header, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    ruler = ["-" * width for width in widths]
    return "".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |\n"
        for row in (header, ruler, *rows)
    )


def kept_for(seconds: int | None) -> str:
    """Return how long something is kept, in words; None: for ever."""
    if seconds is None:
        return "for ever"
    return f"{seconds // 3_600} hours" if seconds <= 86_400 else f"{seconds // 86_400} days"
