"""The commands about policies: the business side of every decision.

A policy is a TOML file. Published it stands in the registry under its digest and is in force,
beside the release that is; every service over the registry takes it over within a second. The
commands work on a registry's directory, or with --server on a running service.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.options import (
    DEFAULT_REGISTRY,
    AsJson,
    RegistryDirectory,
    ServerInstead,
    Timeout,
)

if TYPE_CHECKING:
    from throughline.v1.policy_pb2 import ListPoliciesResponse

    from models.policy.schema import Policy

app = typer.Typer(no_args_is_help=True, help="Check, show and publish what every decision obeys.")

SECONDS = 60.0  # to wait for a service

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The policy, a TOML file.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="The server's settings, for the names that they declare; not with --server, which "
        "knows its own.",
    ),
]


@app.command()
def check(
    file: FileArgument,
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", help="Directory of a dataset, whose offers are counted."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 65 where something is to look at, too.")
    ] = False,
    config: ConfigOption = None,
    server: ServerInstead = None,
    timeout: Timeout = SECONDS,
    as_json: AsJson = False,
) -> None:
    """Say everything that is wrong with a policy, each with its line and key; exit code 65.

    With --dataset or --server it counts how many offers each rule, cap, lever, placement, cool-down
    and diversity limit is about, and names what leads nowhere: an offer, a feature or a value that
    no offer has, an end that is past.
    """
    import os

    from models.errors import BadInput
    from service.commands import policy_check
    from service.commands.terminal import print_json

    if server is not None and dataset is not None:
        raise BadInput("--dataset", "not with --server, which has a catalogue")
    text = policy_check.policy_text(file)
    if server is None:
        found = policy_check.checked_here(text, config, dataset)
    else:
        found = policy_check.checked_by(server, timeout, text)
    policy_check.print_mistakes(file, found)
    if as_json:
        print_json(found)
    elif not found.mistakes:
        policy_check.print_found(file, found)
    if found.mistakes or (strict and any(policy_check.remarks(found))):
        raise typer.Exit(os.EX_DATAERR)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a policy, for editors that complete and check as one writes."""
    import msgspec

    from models.policy.schema import Policy

    print(msgspec.json.format(msgspec.json.encode(msgspec.json.schema(Policy))).decode())


@app.command()
def show(
    digest: Annotated[
        str,
        typer.Argument(
            metavar="[DIGEST]",
            help="Of a policy, or its first 8 or more digits; without it, the one in force.",
        ),
    ] = "",
    registry: RegistryDirectory = DEFAULT_REGISTRY,
    server: ServerInstead = None,
    timeout: Timeout = SECONDS,
) -> None:
    """Print a policy as JSON; without a digest, the one in force."""
    import msgspec
    from throughline.v1.policy_pb2 import GetPolicyRequest

    from models.release.registry import Registry
    from service.contract.policy_messages import policy_answer

    if server is None:
        held = Registry(registry)
        name = held.resolve_policy(digest) if digest else held.pointer().policy
        answer = policy_answer(held, name)
    else:
        from service.client import connect

        with connect(server, timeout) as client:
            answer = client.call(client.policies.GetPolicy, GetPolicyRequest(digest=digest))
    print(msgspec.json.format(answer.json))
    print(f"digest: {answer.digest}", file=sys.stderr)
    if answer.HasField("in_force_since"):
        print(f"in force since: {answer.in_force_since.ToJsonString()}", file=sys.stderr)


@app.command("list")
def list_policies(
    registry: RegistryDirectory = DEFAULT_REGISTRY,
    server: ServerInstead = None,
    timeout: Timeout = SECONDS,
    as_json: AsJson = False,
) -> None:
    """List the policies of the registry, latest first."""
    from service.commands.answers import SHORT
    from service.commands.terminal import output, print_json, table

    answer = _listed(registry, server, timeout)
    if as_json:
        print_json(answer)
        return
    rows = [
        (
            "in force" if policy.in_force else "",
            policy.digest[:SHORT],
            _when(policy.published.seconds) if policy.HasField("published") else "built in",
        )
        for policy in answer.policies
    ]
    output().print(table(("", "policy", "published (UTC)"), rows))


@app.command()
def history(
    registry: RegistryDirectory = DEFAULT_REGISTRY,
    server: ServerInstead = None,
    timeout: Timeout = SECONDS,
    as_json: AsJson = False,
) -> None:
    """Show what was in force since when, latest first; a rollback goes to the second."""
    from service.commands.answers import SHORT
    from service.commands.terminal import output, print_json, table

    answer = _listed(registry, server, timeout)
    if as_json:
        print_json(answer)
        return
    rows = [
        (
            "" if row else "in force",
            entry.digest[:SHORT],
            _when(entry.since.seconds) if entry.HasField("since") else "the beginning",
        )
        for row, entry in enumerate(answer.history)
    ]
    if rows:
        output().print(table(("", "policy", "since (UTC)"), rows))
    else:
        output().print("The built-in policy is in force: none was published.")


@app.command()
def publish(
    file: FileArgument,
    registry: RegistryDirectory = DEFAULT_REGISTRY,
    config: ConfigOption = None,
    server: ServerInstead = None,
    timeout: Timeout = SECONDS,
) -> None:
    """Check a policy and put it in force; the release stays."""
    import time

    from throughline.v1.policy_pb2 import PublishPolicyRequest

    from models.release.registry import Registry
    from service.commands.in_force import Half, print_change, print_moved
    from service.commands.policy_check import policy_text

    if server is None:
        policy = _read(file, config)
        held = Registry(registry)
        before = held.pointer()
        print_moved(before, held.publish(policy, time.time_ns() // 1000))
        _remark(policy)
        return
    from service.client import connect

    _check_there(file, server, timeout)
    with connect(server, timeout) as client:
        request = PublishPolicyRequest(toml=policy_text(file))
        answer = client.call(client.policies.PublishPolicy, request)
    print_change(
        Half(answer.release_id, answer.release_id), Half(answer.digest, answer.previous_digest)
    )


@app.command()
def rollback(
    registry: RegistryDirectory = DEFAULT_REGISTRY,
    server: ServerInstead = None,
    timeout: Timeout = SECONDS,
) -> None:
    """Put the policy in force again that was before this one; the release stays."""
    import time

    from throughline.v1.policy_pb2 import RollbackPolicyRequest

    from models.release.registry import Registry
    from service.commands.in_force import Half, print_change, print_moved

    if server is None:
        held = Registry(registry)
        before = held.pointer()
        print_moved(before, held.rollback_policy(time.time_ns() // 1000))
        return
    from service.client import connect

    with connect(server, timeout) as client:
        answer = client.call(client.policies.RollbackPolicy, RollbackPolicyRequest())
    print_change(
        Half(answer.release_id, answer.release_id), Half(answer.digest, answer.previous_digest)
    )


def _when(seconds: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _listed(registry: Path, server: str | None, timeout: float) -> "ListPoliciesResponse":
    from throughline.v1.policy_pb2 import ListPoliciesRequest

    from models.release.registry import Registry
    from service.contract.policy_messages import policies_answer

    if server is None:
        return policies_answer(Registry(registry))
    from service.client import connect

    with connect(server, timeout) as client:
        return client.call(client.policies.ListPolicies, ListPoliciesRequest())


def _check_there(file: Path, server: str, timeout: float) -> None:
    """Have a service check a policy; told line by line, and the exit code 65, where it is wrong."""
    from models.policy.toml_file import BadPolicy
    from service.commands.policy_check import checked_by, policy_text, print_mistakes

    found = checked_by(server, timeout, policy_text(file))
    print_mistakes(file, found)
    if found.mistakes:
        raise SystemExit(BadPolicy.exit_code)


def _remark(policy: "Policy") -> None:
    """Print, beside the results, what is worth knowing of a policy."""
    from models.policy.remarks import remarks

    for remark in remarks(policy):
        print(remark, file=sys.stderr)


def _read(file: Path, config: Path | None) -> "Policy":
    """Return the policy of a file; told line by line, and the exit code 65, where it is wrong."""
    from models.policy.toml_file import BadPolicy, read_policy
    from service.commands.policy_check import policy_text
    from service.config.settings import read_settings

    names = read_settings(config).names
    try:
        return read_policy(policy_text(file), names.channels, names.event_types)
    except BadPolicy as error:
        for mistake in error.mistakes:
            print(f"{file}:{mistake}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
