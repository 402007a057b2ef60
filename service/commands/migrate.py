"""The command `throughline migrate`: brings a store to the format of this version."""

import os
import time
from typing import Annotated

import typer

from service.commands.options import Config, KeyFile, StoreUrl


def migrate(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would do, and write nothing.")
    ] = False,
    store: StoreUrl = None,
    key_file: KeyFile = None,
    config: Config = None,
) -> None:
    """Bring a store from the format of the version before to that of this one.

    It may be interrupted and run again. No server may have an embedded store open meanwhile; Redis
    is migrated beside running servers, all of this version; while its keys are renamed they answer
    as if Redis were away. Exit code 65 where something is left as it is: each is named.
    """
    from models.codec import FORMAT
    from service.commands.existing_store import TIMEOUT, check_there
    from service.commands.progress import progress_bars
    from service.commands.terminal import error_console, output
    from service.config.clock import Clock
    from service.config.keys import load_key
    from service.config.settings import read_settings
    from service.store.migration import migrate_store

    settings = read_settings(config, store=store, key_file=key_file)
    check_there(settings)
    begun = time.monotonic()
    with progress_bars() as progress:
        report = migrate_store(
            settings.store,
            key=load_key(settings),
            timeout=max(TIMEOUT, settings.redis_timeout),
            event_types=settings.names.event_types,
            clock=Clock(settings.start_time).now,
            dry_run=dry_run,
            progress=lambda what, done: progress(what, done, None),
        )
    if not report.steps and report.layout is None:
        output().print(f"The store is of format {FORMAT}, that of this version: nothing to do.")
        return
    seconds = time.monotonic() - begun
    for number, step in enumerate(report.steps, report.before):
        output().print(
            f"Format {number} to {number + 1}: {step.customers:,} customers "
            f"{'would be' if dry_run else 'were'} written anew, from a log of {step.events:,} "
            f"events, in {seconds:.1f} s."
        )
        if step.kept:
            output().print(
                f"{step.kept:,} identifiers remember more than the log has, and keep that."
            )
        for reason in step.unreadable:
            error_console().print(reason, markup=False, soft_wrap=True)
    if report.layout is not None:
        verb = "would be" if dry_run else "were"
        output().print(f"Layout 1 to 2: {report.layout.renamed:,} keys {verb} renamed.")
        for key in report.layout.left:
            error_console().print(f"{key}: there by its new name as well", markup=False)
    if dry_run:
        output().print("Nothing was written.")
    left = report.layout.left if report.layout is not None else ()
    if left or any(step.unreadable for step in report.steps):
        raise typer.Exit(os.EX_DATAERR)
