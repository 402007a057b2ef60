"""The commands that check, show and publish a policy: the business side of every decision.

A policy is a TOML file. Published it stands in the registry under its digest, and is in force
beside the release that is; every service over the registry takes it over within a second.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.options import DEFAULT_REGISTRY, RegistryDirectory

if TYPE_CHECKING:
    from models.policy.schema import Policy

app = typer.Typer(no_args_is_help=True, help="Check, show and publish what every decision obeys.")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The policy, a TOML file.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="The server's settings, for the names that they declare."),
]


@app.command()
def check(file: FileArgument, config: ConfigOption = None) -> None:
    """Say everything that is wrong with a policy, each with its line and key; exit code 65."""
    from service.commands.terminal import output

    policy = _read(file, config)
    output().print(f"{file}: nothing wrong\nDigest: {policy.digest}")
    _remark(policy)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a policy, for editors that complete and check as one writes."""
    import msgspec

    from models.policy.schema import Policy

    print(msgspec.json.format(msgspec.json.encode(msgspec.json.schema(Policy))).decode())


@app.command()
def show(
    digest: Annotated[
        str, typer.Argument(metavar="[DIGEST]", help="Of a policy; without it, the one in force.")
    ] = "",
    registry: RegistryDirectory = DEFAULT_REGISTRY,
) -> None:
    """Print a policy of the registry as JSON; without a digest, the one in force."""
    import msgspec

    from models.policy.schema import BUILT_IN
    from models.release.registry import Registry

    held = Registry(registry)
    if not digest:
        present = held.pointer().in_force
        digest = BUILT_IN.digest if present is None else present.policy
    print(msgspec.json.format(held.policy(digest).canonical).decode())
    print(f"digest: {digest}", file=sys.stderr)


@app.command()
def publish(
    file: FileArgument,
    registry: RegistryDirectory = DEFAULT_REGISTRY,
    config: ConfigOption = None,
) -> None:
    """Check a policy and put it in force, beside the release that is."""
    import time

    from models.release.registry import Registry
    from service.commands.terminal import output

    policy = _read(file, config)
    held = Registry(registry)
    before = held.pointer().in_force
    held.publish(policy, time.time_ns() // 1000)
    output().print(f"In force: {policy.digest}")
    _remark(policy)
    if before is not None and before.policy == policy.digest:
        output().print("It was in force before already.")
    elif before is not None:
        output().print(f"Before:   {before.policy}")


def _remark(policy: "Policy") -> None:
    """Print, beside the results, what is worth knowing of a policy."""
    from models.policy.remarks import remarks

    for remark in remarks(policy):
        print(remark, file=sys.stderr)


def _read(file: Path, config: Path | None) -> "Policy":
    """Return the policy of a file; told line by line, and the exit code 65, where it is wrong."""
    from models.errors import BadInput
    from models.policy.toml_file import BadPolicy, read_policy
    from service.config.settings import read_settings

    names = read_settings(config).names
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(str(file), f"not UTF-8 at byte {error.start}") from None
    try:
        return read_policy(text, names.channels, names.event_types)
    except BadPolicy as error:
        for mistake in error.mistakes:
            print(f"{file}:{mistake}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
