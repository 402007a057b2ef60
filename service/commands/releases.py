"""The commands that show trained releases and move the one in force.

They work on a registry's directory, or with --server on a running service, which tries a release
in a child process before it takes over. A service follows its registry's pointer by itself.
"""

from pathlib import Path
from typing import Annotated

import typer

from service.commands.options import (
    DEFAULT_REGISTRY,
    AsJson,
    RegistryDirectory,
    ServerInstead,
    Timeout,
)

app = typer.Typer(no_args_is_help=True, help="Show trained releases, and choose which one decides.")

ReleaseArgument = Annotated[
    str, typer.Argument(metavar="RELEASE", help="The release's id, or its first 8 or more digits.")
]


@app.command("list")
def list_releases(
    registry: RegistryDirectory = DEFAULT_REGISTRY,
    server: ServerInstead = None,
    timeout: Timeout = 60.0,
    as_json: AsJson = False,
) -> None:
    """List the releases, latest first, with their measured quality."""
    from throughline.v1.release_pb2 import ListReleasesRequest

    from service.commands.release_list import list_registry, releases_table
    from service.commands.terminal import output, print_json

    if server is None:
        answer = list_registry(registry)
    else:
        from service.client import connect

        with connect(server, timeout) as client:
            answer = client.call(client.releases.ListReleases, ListReleasesRequest())
    if as_json:
        print_json(answer)
    elif answer.releases:
        output().print(releases_table(answer.releases))
    else:
        output().print(f"No releases in {server or registry}.")


@app.command()
def verify(
    release: Annotated[
        str, typer.Argument(metavar="RELEASE", help="A directory, or an id in the registry.")
    ],
    registry: RegistryDirectory = DEFAULT_REGISTRY,
) -> None:
    """Verify every file of a release, load it in a child process, and try its golden requests."""
    from models.release.registry import Registry
    from service.commands.terminal import busy, output
    from service.decisions.release_trial import try_release

    directory = Path(release)
    if not directory.is_dir():
        held = Registry(registry)
        directory = held.path(held.resolve(release))
    with busy("Verifying"):
        try_release(directory)
    output().print(f"Verified: {directory.resolve().name}")


@app.command()
def promote(
    release: ReleaseArgument,
    registry: RegistryDirectory = DEFAULT_REGISTRY,
    server: ServerInstead = None,
    timeout: Timeout = 120.0,
    override: Annotated[
        str,
        typer.Option(
            metavar="REASON",
            help="Why to put it in force although it did worse than the one in force, or was "
            "not compared with it; recorded.",
        ),
    ] = "",
) -> None:
    """Put a release in force, after it was verified and tried.

    One that did worse than the one in force on the same cases, on any slice, is held.
    """
    import time

    from throughline.v1.release_pb2 import PromoteReleaseRequest

    from models.release.promotion import override_needed
    from models.release.registry import Registry
    from service.commands.in_force import Half, print_change, print_moved
    from service.commands.terminal import busy
    from service.contract import limits
    from service.contract.validation import Check
    from service.decisions.release_trial import try_release

    if server is not None:
        from service.client import connect

        with connect(server, timeout) as client, busy("Trying the release"):
            request = PromoteReleaseRequest(release_id=release, override=override)
            answer = client.call(client.releases.PromoteRelease, request)
        print_change(
            Half(answer.release_id, answer.previous_release_id),
            Half(answer.policy_digest, answer.policy_digest),
        )
        return
    check = Check()
    check.text("override", override, limits.REASON_BYTES)
    check.raise_if_invalid()
    held = Registry(registry)
    release_id = held.resolve(release)
    reason = override_needed(held, release_id, override)
    with busy("Trying the release"):
        try_release(held.path(release_id))
    before = held.pointer()
    print_moved(before, held.promote(release_id, time.time_ns() // 1000, reason))


@app.command()
def rollback(
    registry: RegistryDirectory = DEFAULT_REGISTRY,
    server: ServerInstead = None,
    timeout: Timeout = 120.0,
) -> None:
    """Put the release in force again that was before this one; the policy stays."""
    import time

    from throughline.v1.release_pb2 import RollbackReleaseRequest

    from models.release.registry import Registry
    from service.commands.in_force import Half, print_change, print_moved
    from service.commands.terminal import busy
    from service.decisions.release_trial import try_release

    if server is not None:
        from service.client import connect

        with connect(server, timeout) as client, busy("Trying the release"):
            answer = client.call(client.releases.RollbackRelease, RollbackReleaseRequest())
        print_change(
            Half(answer.release_id, answer.previous_release_id),
            Half(answer.policy_digest, answer.policy_digest),
        )
        return
    held = Registry(registry)
    before = held.pointer()
    release = before.releases.rolled_back(0, "release").id
    with busy("Trying the release"):
        try_release(held.path(release))
    print_moved(before, held.rollback(time.time_ns() // 1000, release))
