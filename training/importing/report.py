"""What an import did, as tables for a person to read."""

from collections.abc import Iterator

from rich.table import Table

from training.importing.import_dataset import Imported
from training.terminal import table


def import_report(imported: Imported) -> Iterator[Table | str]:
    """Yield the rows by file, the rejects by file and reason, notes, and the tables written."""
    rejects = imported.rejects
    names = ["read", "added", "kept", "skipped", "repeated", "rejected"]
    if not any(tally.added for tally in rejects.tallies):
        names.remove("added")
    rows = [
        (tally.file, tally.table, *(f"{getattr(tally, name):,}" for name in names))
        for tally in rejects.tallies
    ]
    yield table("Rows", ("file", "table"), names, rows)
    if rejects.rejected:
        yield table(
            f"Rejects: {rejects.share:.2%} of the rows",
            ("file", "column", "reason"),
            ("rows",),
            [(*where, f"{count:,}") for *where, count in rejects.by_reason()],
        )
    yield from (f"Note: {note}." for note in rejects.notes)
    written = [(name, f"{count:,}") for name, count in imported.metadata.rows.items()]
    if imported.truth_rows is not None:
        written.append(("truth", f"{imported.truth_rows:,}"))
    yield table("Written", ("table",), ("rows",), written)
