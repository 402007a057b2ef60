"""What the checks found: as a table, as plain data, or as a refusal."""

from collections.abc import Sequence
from dataclasses import asdict

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from models.errors import BadDataset
from training.checks.finding import WARNING, Finding


def findings_table(findings: Sequence[Finding]) -> Table:
    """Return findings as an aligned table, one row each."""
    warnings = sum(finding.severity == WARNING for finding in findings)
    notes = len(findings) - warnings
    title = f"Checks of the data: {_counted(warnings, 'warning')}, {_counted(notes, 'note')}"
    made = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    made.add_column("")
    made.add_column("found", overflow="fold")
    made.add_column("count", justify="right", no_wrap=True)
    made.add_column("example", overflow="fold")
    made.add_column("remedy", overflow="fold")
    made.add_column("check", no_wrap=True)
    for finding in findings:
        count = f"{finding.count:,}"
        # As Text, so that what comes from outside is never read as markup.
        cells = (finding.severity, finding.what, count, finding.example, finding.remedy)
        made.add_row(*map(Text, (*cells, finding.check)))
    return made


def refuse_warnings(findings: Sequence[Finding]) -> None:
    """Raise `BadDataset` naming the checks that warn; notes pass."""
    names = sorted({finding.check for finding in findings if finding.severity == WARNING})
    if names:
        told = ", ".join(names)
        raise BadDataset(f"data in doubt: {told}; mend it as told above, or leave --strict out")


def as_data(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """Return findings as plain data for JSON."""
    return [asdict(finding) for finding in findings]


def _counted(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"
