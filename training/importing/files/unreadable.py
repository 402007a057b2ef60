"""Rows of a file that cannot be read at all, gathered by column and reason."""

from collections.abc import Iterator


class Unreadable:
    """Takes each such row with the reason, the text of the row and its column, if any."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[list[int], list[str]]] = {}

    def __call__(self, row: int, reason: str, text: str, column: str = "") -> None:
        """Note row `row`, from 1."""
        rows, texts = self._found.setdefault((column, reason), ([], []))
        rows.append(row)
        texts.append(text.encode(errors="replace").decode().rstrip("\r\n"))

    def __len__(self) -> int:
        """Return how many rows there are."""
        return sum(len(rows) for rows, _ in self._found.values())

    def by_reason(self) -> Iterator[tuple[str, str, list[int], list[str]]]:
        """Yield each column and reason with the rows and their texts."""
        for (column, reason), (rows, texts) in sorted(self._found.items()):
            yield column, reason, rows, texts
