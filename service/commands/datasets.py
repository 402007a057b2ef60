"""The commands that move datasets: `throughline load` and `throughline log export`."""

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from service.commands.options import Config, KeyFile, StoreUrl

# What the commands need is imported when one runs: `throughline --help` stays instant, and a
# service without the extra `data` still has its other commands.

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = typer.Typer(help="The event log of a store.", no_args_is_help=True)


def load(
    dataset: Annotated[Path, typer.Argument(help="Directory of the dataset.")],
    store: StoreUrl = None,
    key_file: KeyFile = None,
    config: Config = None,
    restore: Annotated[
        bool, typer.Option("--restore", help="Offer again what is withdrawn and in the dataset.")
    ] = False,
) -> None:
    """Bring a dataset's items, offers, links, customers and events into a store.

    It may be repeated, and interrupted: whatever is there already counts once. It works beside a
    running service, which sees the history at once and new items within a second. What is withdrawn
    stays withdrawn, and counts as a conflict.
    """
    from service.commands.existing_store import TIMEOUT
    from service.commands.progress import progress_bars
    from service.commands.terminal import output, table
    from service.config.clock import Clock
    from service.config.keys import load_key
    from service.config.settings import read_settings
    from service.dataset.load import load_dataset
    from service.store.identity.known_store import KnownStoreFile
    from service.store.opening import open_store

    settings = read_settings(config, store=store, key_file=key_file)
    if not dataset.is_dir():
        raise FileNotFoundError(errno.ENOENT, "not found", str(dataset))
    key = load_key(settings)
    opened = open_store(
        settings.store,
        key=key,
        event_types=settings.names.event_types,
        timeout=max(TIMEOUT, settings.redis_timeout),
        known=KnownStoreFile(settings.registry),
    )
    try:
        with progress_bars() as progress:
            now = Clock(settings.start_time).now()
            report = load_dataset(dataset, opened, key, now, progress, settings.names, restore)
    finally:
        opened.close()
    columns = ("table", "rows", "stored", "duplicates", "conflicts", "skipped")
    rows = [
        (count.table, *(str(getattr(count, name)) for name in columns[1:]))
        for count in report.tables
    ]
    grid = table(columns, rows)
    for column in grid.columns[1:]:
        column.justify = "right"
    output().print(grid)
    if report.warned:
        told = [
            (warning.words, f"{count:,}", example)
            for warning, (count, example) in sorted(report.warned.items())
        ]
        output().print(table(("though it is stored", "events", "such as"), told, "Warnings"))


@log.command()
def export(
    out: Annotated[Path, typer.Option(help="Directory to write the dataset to; must not exist.")],
    since: Annotated[
        datetime | None,
        typer.Option(
            help="Only what arrived at this time or later, UTC. Without it the log is complete.",
            metavar="TIME",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"],
        ),
    ] = None,
    store: StoreUrl = None,
    key_file: KeyFile = None,
    config: Config = None,
) -> None:
    """Write the log, the catalogue and the decisions as a dataset, which training reads.

    Identifiers in it are keyed hashes. It works beside a running service, on the log as it stood
    when the command began. Exit code 65 where a decision could not be read: all others are in it.
    """
    from models.domain.dataset import check_free
    from models.domain.identifiers import key_fingerprint
    from service.commands.existing_store import existing_store
    from service.commands.progress import progress_bars
    from service.commands.terminal import error_console, output, table
    from service.config.keys import load_key
    from service.config.settings import read_settings
    from service.dataset.export import export_log

    settings = read_settings(config, store=store, key_file=key_file)
    check_free(out)
    start = None if since is None else (since.replace(tzinfo=UTC) - EPOCH) // timedelta.resolution
    with existing_store(settings) as opened, progress_bars() as progress:
        report = export_log(
            opened,
            out,
            start,
            key_fingerprint(load_key(settings)),
            lambda table, rows: progress(table, rows, None),
            settings.event_types,
            settings.channels,
        )
    rows = [(name, str(count)) for name, count in report.rows.items()]
    output().print(table(("table", "rows"), rows, f"{out}: {report.kind}"))
    if report.unreadable:
        for reason in report.unreadable:
            error_console().print(reason, markup=False, soft_wrap=True)
        raise typer.Exit(os.EX_DATAERR)
