"""What `throughline import` does: it prints the schema, guesses a mapping, or imports by one."""

import errno
import os
import time
from pathlib import Path

import typer

from models.errors import BadInput
from training.checks.inspector import Inspector
from training.importing.environment import nobody_by_environment
from training.importing.guess.guess import guess_mapping
from training.importing.guess.report import guess_report
from training.importing.import_dataset import import_dataset
from training.importing.report import import_report
from training.importing.schema import schema_report
from training.terminal import errors, output, progress_bar


def print_schema() -> None:
    """Print all that a mapping may say."""
    console = output()
    for part in schema_report():
        console.print(part)


def write_guess(files: list[Path], out: Path | None) -> None:
    """Write a first mapping for files, on standard output without `out`.

    Raises `FileExistsError` where `out` is there already.
    """
    if out is not None and out.exists():
        raise FileExistsError(errno.EEXIST, "is already there", str(out))
    with progress_bar() as bar:
        bar.add_task("looking at the files", total=None)
        found = guess_mapping(map(str, files), Path() if out is None else out.parent)
    if out is None:
        typer.echo(found.text, nl=False)
    else:
        out.write_text(found.text, encoding="utf-8")
    console = errors()
    for line in guess_report(found):
        console.print(line, markup=False, soft_wrap=True)
    if out is not None:
        console.print(f"The mapping is {out}.", markup=False, soft_wrap=True)


def import_tables(
    mapping: Path,
    source_dir: Path | None,
    out: Path,
    reject_file: Path,
    max_rejects: float,
    strict: bool,
) -> None:
    """Import by a mapping, print what became of it, and exit with 78 where the mapping is wrong."""
    try:
        with progress_bar() as bar:
            inspector = Inspector(bar.console, strict)
            task = bar.add_task("reading", total=None)
            imported = import_dataset(
                mapping,
                out,
                source_dir=source_dir or mapping.parent,
                reject_file=reject_file,
                max_rejects=max_rejects,
                progress=lambda step: bar.update(task, description=step),
                inspect=inspector.tables,
                nobody=nobody_by_environment(os.environ),
                now=time.time_ns() // 1_000,
            )
    except BadInput as error:
        errors().print(f"throughline: {mapping}: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(os.EX_CONFIG) from None
    console = output()
    for part in import_report(imported):
        console.print(part)
    if imported.rejects.rejected:
        console.print(f"The rejected rows are in {reject_file}.", markup=False, soft_wrap=True)
    console.print(f"The dataset is in {out}.", markup=False, soft_wrap=True)
    inspector.tell()
