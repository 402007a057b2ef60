"""What became of the rows of an import: kept, rejected with a reason, repeated, or skipped.

No row vanishes: of every file, rows read + added = kept + skipped + repeated + rejected.
"""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

REJECT_SCHEMA = {
    "file": pl.String(),
    "row": pl.Int64(),
    "column": pl.String(),
    "reason": pl.String(),
    "value": pl.String(),
}


@dataclass
class Tally:
    """The rows of one source: `skipped` by its `where`, `repeated` an earlier row word for word.

    `added` are those beyond the first that a row became by a join of many.
    """

    file: str
    table: str
    read: int = 0
    added: int = 0
    skipped: int = 0
    repeated: int = 0
    kept: int = 0

    @property
    def rejected(self) -> int:
        """Rows in the reject file."""
        return self.read + self.added - self.skipped - self.repeated - self.kept


@dataclass
class Rejects:
    """The rejected rows, by file and 1-based data row, and the tallies of all sources."""

    tallies: list[Tally] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _frames: list[pl.DataFrame] = field(default_factory=list)

    def add(self, file: str, rows: pl.Series, column: str, reason: str, values: pl.Series) -> None:
        """Record that `rows` of `file` are rejected for what `column` holds (`values`)."""
        self._frames.append(
            pl.DataFrame(
                {
                    "file": pl.Series([file] * len(rows), dtype=pl.String()),
                    "row": rows.cast(pl.Int64()),
                    "column": pl.Series([column] * len(rows), dtype=pl.String()),
                    "reason": pl.Series([reason] * len(rows), dtype=pl.String()),
                    "value": values.cast(pl.String()).str.slice(0, 200),
                },
                schema=REJECT_SCHEMA,
            )
        )

    @property
    def frame(self) -> pl.DataFrame:
        """All rejects, by file and row."""
        if not self._frames:
            return pl.DataFrame(schema=REJECT_SCHEMA)
        return pl.concat(self._frames).sort("file", "row", "column", maintain_order=True)

    @property
    def rows_read(self) -> int:
        """Rows read from all sources and added by joins, skipped ones not counted."""
        return sum(tally.read + tally.added - tally.skipped for tally in self.tallies)

    @property
    def rejected(self) -> int:
        """Rows rejected, in all sources."""
        return sum(frame.height for frame in self._frames)

    @property
    def share(self) -> float:
        """Rejected rows as a share, in [0, 1], of `rows_read`."""
        return self.rejected / self.rows_read if self.rows_read else 0.0

    def by_reason(self) -> list[tuple[str, str, str, int]]:
        """Return (file, column, reason, rows), by file and then by number of rows."""
        frame = self.frame
        counts = Counter(
            zip(frame["file"], frame["column"], frame["reason"], strict=True),
        )
        return sorted(
            ((file, column, reason, rows) for (file, column, reason), rows in counts.items()),
            key=lambda entry: (entry[0], -entry[3], entry[1:3]),
        )

    def usual(self) -> str:
        """Return the first reject for the most frequent reason: file, row, column, reason."""
        counts = Counter(self.frame.select("column", "reason").iter_rows())
        (column, reason), _ = counts.most_common(1)[0]
        here = (pl.col("column") == column) & (pl.col("reason") == reason)
        first = self.frame.filter(here).row(0, named=True)
        where = f"{first['file']}, row {first['row']}" + (f", column {column}" if column else "")
        value = "" if first["value"] is None else f" ({first['value'][:40]!r})"
        return f"{where}: {reason}{value}"

    def write(self, path: Path) -> None:
        """Write the reject file, a CSV with a header and one line for each reject."""
        path.parent.mkdir(parents=True, exist_ok=True)
        work = path.with_name(f".{path.name}.{os.getpid()}")
        work.write_text(self.frame.write_csv(), encoding="utf-8", newline="")
        work.replace(path)
