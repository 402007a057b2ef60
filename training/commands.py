"""The commands of training: each parses its options, calls, prints, and gives the exit code."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from models.errors import BadInput

app = typer.Typer(no_args_is_help=True, help="Data and training.")

Strict = Annotated[
    bool, typer.Option("--strict", help="Stop, with exit code 65, where a check of the data warns.")
]

BaselinesOption = Annotated[
    Literal["none", "quick", "all"],
    typer.Option(
        "--baselines",
        help="What it is compared with; quick leaves out EASE and LightFM by customer.",
    ),
]


@app.callback()
def group() -> None:
    """Data and training."""


@app.command("import")
def import_(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MAPPING | --guess FILE... | --schema",
            help="The mapping, which says what of your files becomes what; or the files.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The new directory for the dataset; with --guess, the new file for the mapping.",
            show_default="with --guess, standard output",
        ),
    ] = None,
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
    guess: Annotated[
        bool,
        typer.Option("--guess", help="Write a first mapping for files, folders or patterns."),
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print all that a mapping may say.")
    ] = False,
    strict: Strict = False,
) -> None:
    """Bring files in your own schema (text, JSON Lines, Parquet) into a dataset.

    Who has no mapping yet begins with --guess: throughline import --guess sales.csv --out
    sales.toml writes one from the names and the values of the columns, which imports as it is, and
    tells what it could not decide.

    A bad row does not stop an import: it goes to the reject file with file, row, column and reason,
    and is counted at the end. If more than --max-rejects of the rows are bad, or with --strict a
    check warns, nothing but that file is written.
    """
    from training.import_command import import_tables, print_schema, write_guess

    if schema:
        print_schema()
        return
    if not files:
        raise typer.BadParameter("want a mapping, or --guess with files", param_hint="MAPPING")
    if guess:
        write_guess(files, out)
        return
    if len(files) > 1:
        raise typer.BadParameter(
            "want one mapping; for files of data, --guess writes one", param_hint="MAPPING"
        )
    if out is None:
        raise typer.BadParameter("want a directory for the dataset", param_hint="--out")
    reject_file = rejects or out.with_name(out.name + ".rejects.csv")
    import_tables(files[0], source_dir, out, reject_file, max_rejects, strict)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="The new directory for the dataset.")],
    customers: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many customers.")] = 600,
    items: Annotated[int, typer.Option(min=12, max=100_000, help="How many items.")] = 240,
    days: Annotated[int, typer.Option(min=14, max=3_650, help="How many days of events.")] = 120,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 7,
    end: Annotated[
        datetime,
        typer.Option(
            metavar="DATE", formats=["%Y-%m-%d"], help="The day (UTC) before which it ends."
        ),
    ] = datetime(2026, 3, 1),
    launched: Annotated[
        float, typer.Option(min=0, max=0.9, help="The share of items that come on sale meanwhile.")
    ] = 0.0,
) -> None:
    """Make up a small retailer whose truth is known: tastes, identifiers, channels, offers, stock.

    Everything in it is simulated. The tastes and response rates are in truth.json beside the
    tables.
    """
    from training.simulation.retailer import Setting
    from training.simulation.simulate import simulate as run
    from training.terminal import output, progress_bar, table

    setting = Setting(customers, items, days, seed, end.replace(tzinfo=UTC), launched)
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


@app.command()
def train(
    dataset: Annotated[Path, typer.Argument(help="The dataset to learn from.")],
    registry: Annotated[
        Path, typer.Option(envvar="THROUGHLINE_REGISTRY", help="Directory of the releases.")
    ] = Path("var/registry"),
    config: Annotated[
        Path | None,
        typer.Option(help="TOML: what is held out, how it is fitted.", show_default="for any data"),
    ] = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="Fit again on everything after measuring.")
    ] = False,
    responses: Annotated[
        bool,
        typer.Option("--responses", help="Rank by the rate of response to contacts, worth money."),
    ] = False,
    share: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=1.0, help="Learn from this share of the customers.", show_default="all"
        ),
    ] = None,
    baselines: BaselinesOption = "quick",
    strict: Strict = False,
) -> None:
    """Learn from a dataset, measure against the baselines, and write a release.

    The last part of the data is held out to measure on; undated data is measured out of fold over
    customers. The release is entered in the registry and decides nothing until it is promoted:
    throughline releases promote. With --responses it learns who responds to what was shown or
    sent, so that policies can weigh offers by what they are worth. Same data, configuration and
    seed: the same release. What looks wrong with the data is told before anything is learnt.
    """
    import msgspec

    from training.checks.inspector import Inspector
    from training.response.contacts import ResponseConfig
    from training.run.config import TrainConfig, read_config
    from training.run.opponents_report import verdicts
    from training.run.report import report_tables
    from training.terminal import errors, output, progress_bar
    from training.train import train as run

    try:
        chosen = TrainConfig() if config is None else read_config(config)
    except BadInput as error:
        errors().print(f"throughline: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(os.EX_CONFIG) from None
    if refit:
        chosen = msgspec.structs.replace(chosen, refit=True)
    if responses and chosen.responses is None:
        chosen = msgspec.structs.replace(chosen, responses=ResponseConfig())
    if share is not None:
        chosen = msgspec.structs.replace(chosen, share=share)
    with progress_bar() as bar:
        task = bar.add_task("", total=None)

        def steps(step: str) -> Callable[[int, int], None]:
            bar.update(task, description=step, completed=0, total=None)
            return lambda done, of: bar.update(task, completed=done, total=of)

        inspector = Inspector(bar.console, strict)
        steps("checking the dataset")
        inspector.dataset(dataset)
        trained = run(dataset, registry, chosen, baselines, steps, inspector.split)
    console, pipeline = output(), trained.pipeline
    console.print(f"Learnt to predict: {', '.join(pipeline.targets)}. Split: {pipeline.meaning}.")
    for part in report_tables(pipeline):
        console.print(part)
    if pipeline.skipped_reason:
        console.print(f"Stage one alone: {pipeline.skipped_reason}.", markup=False, soft_wrap=True)
    if chosen.refit:
        console.print("Fitted again on everything; the figures are those of the fit before.")
    for verdict in verdicts(pipeline.opponents, pipeline.measured):
        console.print(verdict, markup=False, soft_wrap=True)
    console.print(
        f"{trained.seconds:.0f} s, at most {trained.peak_memory_mib:.0f} MiB of memory. "
        f"The release is {trained.directory}.",
        markup=False,
        soft_wrap=True,
    )


@app.command()
def evaluate(
    release: Annotated[str, typer.Argument(help="A release's directory, or its id.")],
    truth: Annotated[
        Path, typer.Option(help="Parquet with columns customer, item and optionally before.")
    ],
    histories: Annotated[Path, typer.Option(help="The dataset that histories come from.")],
    mask: Annotated[
        str, typer.Option(help="Event types whose items are left out of a customer's list.")
    ] = "",
    at: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME",
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d"],
            help="The moment decisions are made at, such as 2017-12-01T00:00:00-05:00.",
        ),
    ] = None,
    k: Annotated[str, typer.Option(help="Lengths of the lists.")] = "10,20",
    intent: Annotated[
        str, typer.Option(help="default, or discovery: among what the customer never touched.")
    ] = "default",
    registry: Annotated[
        Path, typer.Option(envvar="THROUGHLINE_REGISTRY", help="Where a release's id is looked up.")
    ] = Path("var/registry"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    strict: Strict = False,
) -> None:
    """Measure a release against what customers turned to, slice by slice.

    A case is a distinct customer and `before`; R@k = hits / min(k, distinct targets), HR@k any hit,
    MRR@k the reciprocal rank of the first, NDCG@k binary; means over the cases. Under the intent
    discovery only items that the customer never touched are listed, and only these are right.
    """
    from models.recommender.ranker import RANKED
    from models.release.loader import load_release
    from models.release.registry import Registry
    from training.checks.inspector import Inspector
    from training.checks.report import as_data
    from training.evaluation.evaluate_release import as_json as figures
    from training.evaluation.evaluate_release import evaluate_release
    from training.evaluation.report import metrics_table
    from training.log.event_log import read_log
    from training.splits.truth import read_truth
    from training.terminal import output, progress_bar

    ks = _lengths(k)
    if intent not in RANKED:
        raise typer.BadParameter(f"want {' or '.join(RANKED)}", param_hint="--intent")
    directory = Path(release)
    if not directory.is_dir():
        releases = Registry(registry)
        directory = releases.path(releases.resolve(release))
    loaded = load_release(directory)
    if at is not None and at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    with progress_bar() as bar:
        task = bar.add_task("reading", total=None)
        inspector = Inspector(bar.console, strict)
        inspector.dataset(histories)
        log = read_log(histories)
        masked = [name for name in mask.split(",") if name]
        for name in masked:
            if name not in log.event_types:
                raise typer.BadParameter(f"{name}: not an event type", param_hint="--mask")
        cases = read_truth(truth, log, at)
        inspector.cases(log, cases)
        bar.update(task, description="ranking")
        measured = evaluate_release(
            loaded,
            cases,
            log,
            masked,
            ks,
            lambda done, of: bar.update(task, completed=done, total=of),
            intent,
        )
    if as_json:
        checks = as_data(inspector.findings)
        typer.echo(json.dumps({**figures(measured), "checks": checks}))
    else:
        output().print(metrics_table(measured))


def _lengths(text: str) -> tuple[int, ...]:
    lengths = text.split(",")
    if not all(
        length.isascii() and length.isdigit() and 0 < int(length) <= 1000 for length in lengths
    ):
        raise typer.BadParameter("want lengths from 1 to 1000, such as 10,20", param_hint="--k")
    return tuple(sorted({int(length) for length in lengths}))
