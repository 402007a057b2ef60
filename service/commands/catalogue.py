"""The commands for the catalogue of a running service: `throughline offers|items`.

What `list --json` and `get --json` print is what `upsert` reads: change it and send it back.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from service.commands.options import DEFAULT_SERVER, AsJson, Server, Timeout

# What the commands need is imported when one runs: `throughline --help` stays instant.

File = Annotated[
    Path,
    typer.Argument(
        allow_dash=True,
        help="One JSON object a line; `-` reads stdin. Times without a zone are UTC.",
    ),
]
Fields = Annotated[
    str,
    typer.Option(
        metavar="FIELDS",
        help="What the file changes of rows that there are: all; price (with value and "
        "price_until); stock; or names of fields with commas between. Nothing else is touched, and "
        "what the file does not give of these is emptied.",
    ),
]


def _commands(kind: Literal["offer", "item"], id_help: str, withdraw_help: str) -> typer.Typer:
    """Return the commands `list`, `get`, `upsert` and `withdraw` of one kind of row."""
    app = typer.Typer(
        no_args_is_help=True, help=f"Show and change the {kind}s of a running service."
    )

    @app.command("list", help=f"List the {kind}s by id; with --json one object a line.")
    def list_rows(
        limit: Annotated[
            int, typer.Option("--count", min=1, help="How many to list at most.")
        ] = 50,
        server: Server = DEFAULT_SERVER,
        timeout: Timeout = 10.0,
        as_json: AsJson = False,
    ) -> None:
        from service.client import connect
        from service.commands.call_parts import ROWS
        from service.commands.catalogue_calls import CALLS
        from service.commands.catalogue_tables import show
        from service.commands.progress import progress_bars

        with connect(server, timeout) as client, progress_bars(limit > ROWS) as progress:
            rows, more = CALLS[kind].rows(
                client, limit, lambda done: progress("Reading", done, None)
            )
        show(rows, CALLS[kind].table, as_json, more)

    @app.command("get", help=f"Show one {kind}.")
    def get_row(
        row_id: Annotated[str, typer.Argument(metavar=kind, help=id_help)],
        server: Server = DEFAULT_SERVER,
        timeout: Timeout = 10.0,
        as_json: AsJson = False,
    ) -> None:
        from service.client import connect
        from service.commands.catalogue_calls import CALLS
        from service.commands.catalogue_tables import show

        with connect(server, timeout) as client:
            row = CALLS[kind].row(client, row_id)
        show([row], CALLS[kind].table, as_json)

    @app.command(
        "upsert",
        help=f"Add, replace or change {kind}s from a file; each 1,000 of them all or none. What is "
        "withdrawn stays withdrawn.",
    )
    def upsert_rows(
        file: File,
        fields: Fields = "all",
        restore: Annotated[
            bool, typer.Option("--restore", help="Offer again those of them that are withdrawn.")
        ] = False,
        server: Server = DEFAULT_SERVER,
        timeout: Timeout = 30.0,
    ) -> None:
        from service.client import connect
        from service.commands.call_parts import ROWS, parts
        from service.commands.catalogue_calls import CALLS
        from service.commands.catalogue_fields import read_fields
        from service.commands.parsing import json_lines
        from service.commands.progress import progress_bars
        from service.commands.terminal import output

        calls = CALLS[kind]
        mask = read_fields(fields, calls.message.DESCRIPTOR)
        read = json_lines(file, calls.message)
        rows = read.messages
        with connect(server, timeout) as client, progress_bars(len(rows) > ROWS) as progress:
            if sum(1 for _ in parts(rows)) > 1:
                # A call is refused as a whole; what takes several is checked before the first.
                calls.validate(
                    *(client, rows, mask, restore, read.place),
                    lambda done: progress("Checking", done, len(rows)),
                )
            revision, withdrawn = calls.upsert(
                *(client, rows, mask, restore, read.place),
                lambda done: progress("Storing", done, len(rows)),
            )
        output().print(f"Stored {len(rows):,}: catalogue revision {revision}")
        if withdrawn:
            output().print(f"Of these {withdrawn:,} stay withdrawn; --restore offers them again")

    @app.command(
        "sync",
        help=f"Make the {kind}s those of a full feed: what is new or changed is stored, what the "
        "file does not have is withdrawn. The service checks all of it first. A feed that would "
        "withdraw more than a fifth of what is offered is refused with exit code 65.",
    )
    def sync_rows(
        file: File,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
        ] = False,
        allow_shrink: Annotated[
            bool, typer.Option("--allow-shrink", help="Withdraw however many are missing.")
        ] = False,
        restore: Annotated[
            bool, typer.Option("--restore", help="Offer again what is withdrawn and in the file.")
        ] = False,
        server: Server = DEFAULT_SERVER,
        timeout: Timeout = 30.0,
    ) -> None:
        from google.protobuf.field_mask_pb2 import FieldMask

        from models.errors import BadDataset
        from service.client import connect
        from service.commands.call_parts import ROWS
        from service.commands.catalogue_calls import CALLS
        from service.commands.catalogue_sync import SHRINK, carry_out, plan, told_lines
        from service.commands.parsing import json_lines
        from service.commands.progress import progress_bars
        from service.commands.terminal import output

        calls = CALLS[kind]
        read = json_lines(file, calls.message)
        feed = read.messages
        index_of = {calls.id_of(row): at for at, row in enumerate(feed)}
        with connect(server, timeout) as client, progress_bars(len(feed) > ROWS) as progress:
            found = plan(client, calls, read, lambda done: progress("Reading", done, None))
            refused = found.shrinks > SHRINK and not allow_shrink
            to_store = len(found.stored)

            def place(at: int) -> str:
                return read.place(index_of[calls.id_of(found.stored[at])])

            still = calls.validate(
                *(client, found.stored, FieldMask(), restore, place),
                lambda done: progress("Checking", done, to_store),
            )
            if dry_run:
                for line in told_lines(found, calls):
                    output().print(line, highlight=False)
            if refused:
                raise BadDataset(
                    f"{file}: would withdraw {len(found.missing):,} {kind}s, "
                    f"{found.shrinks:.0%} of those offered; nothing was changed; "
                    f"more than {SHRINK:.0%} needs --allow-shrink"
                )
            if dry_run:
                output().print("Nothing was changed: a dry run")
            else:
                changes = to_store + len(found.missing)
                done = carry_out(
                    *(client, calls, found, restore, place),
                    lambda done: progress("Changing", done, changes),
                )
                still = done.still_withdrawn
                output().print(
                    f"Stored {len(found.new):,} new and {len(found.changed):,} changed, withdrew "
                    f"{done.withdrawn:,}, left {found.unchanged:,} as they are"
                )
        if still:
            output().print(f"Of these {still:,} stay withdrawn; --restore offers them again")

    @app.command("withdraw", help=withdraw_help)
    def withdraw_rows(
        ids: Annotated[list[str], typer.Argument(help=f"The ids of the {kind}s.")],
        server: Server = DEFAULT_SERVER,
        timeout: Timeout = 10.0,
    ) -> None:
        from service.client import connect
        from service.commands.catalogue_calls import CALLS
        from service.commands.terminal import output

        with connect(server, timeout) as client:
            withdrawn, revision = CALLS[kind].withdraw(client, ids)
        output().print(f"Withdrew {withdrawn}: catalogue revision {revision}")

    return app


offers = _commands(
    "offer", "The offer's id; item:ID for a default offer.", "Take offers out of every answer."
)
items = _commands(
    "item", "The item's id.", "Take items, and their default offers, out of every answer."
)
