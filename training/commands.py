"""The commands of training: each parses its options, calls, prints, and gives the exit code."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from models.errors import BadInput
from training.terminal import errors, output, progress_bar

app = typer.Typer(no_args_is_help=True, help="Data and training.")


@app.callback()
def group() -> None:
    """Data and training."""


@app.command("import")
def import_(
    mapping: Annotated[
        Path, typer.Argument(help="The mapping: which columns of which files become what.")
    ],
    out: Annotated[Path, typer.Option(help="The new directory for the dataset.")],
    rejects: Annotated[
        Path | None,
        typer.Option(help="The CSV file for rejected rows.", show_default="OUT.rejects.csv"),
    ] = None,
    max_rejects: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The largest share of rows to reject.")
    ] = 0.05,
    source_dir: Annotated[
        Path | None,
        typer.Option(help="Where the files of the mapping are.", show_default="its folder"),
    ] = None,
) -> None:
    """Bring tables in your own schema (CSV, JSON Lines, Parquet) into a dataset.

    A bad row does not stop it: it goes to the reject file with file, row, column and reason, and is
    counted at the end. If more than --max-rejects of the rows are bad, nothing but that file is
    written.
    """
    from training.import_report import import_report
    from training.importing import import_dataset

    reject_file = rejects or out.with_name(out.name + ".rejects.csv")
    try:
        with progress_bar() as bar:
            task = bar.add_task("reading", total=None)
            imported = import_dataset(
                mapping,
                out,
                source_dir=source_dir or mapping.parent,
                reject_file=reject_file,
                max_rejects=max_rejects,
                progress=lambda step: bar.update(task, description=step),
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


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="The new directory for the dataset.")],
    customers: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many customers.")] = 600,
    items: Annotated[int, typer.Option(min=12, max=100_000, help="How many items.")] = 240,
    days: Annotated[int, typer.Option(min=14, max=3_650, help="How many days of events.")] = 120,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 7,
    end: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="The day (UTC) before which it ends.")
    ] = datetime(2026, 3, 1),
) -> None:
    """Make up a small retailer whose truth is known: tastes, identifiers, channels, offers, stock.

    Everything in it is simulated. The tastes and response rates are in truth.json beside the
    tables.
    """
    from training.retailer import Setting
    from training.simulate import simulate as run
    from training.terminal import table

    setting = Setting(customers, items, days, seed, end.replace(tzinfo=UTC))
    with progress_bar() as bar:
        task = bar.add_task("simulated customers", total=customers)
        metadata = run(out, setting, lambda done: bar.update(task, completed=done))
    console = output()
    rows = [(name, f"{count:,}") for name, count in metadata.rows.items()]
    console.print(table("Simulated", ("table",), ("rows",), rows))
    console.print(
        f"The simulated dataset is in {out}; what is true in it, in {out / 'truth.json'}. "
        "It is all simulated: no such retailer, customer or purchase exists.",
        markup=False,
        soft_wrap=True,
    )
