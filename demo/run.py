"""Runs the demo: the other commands as child processes, the story against them, and the check."""

import shutil
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from demo.cast import Cast, choose
from demo.check import check
from demo.children import run, served
from demo.story import WIDTH, Story
from models.errors import BadInput
from service.client import Tls, connect
from service.commands.terminal import output

MARK = ".throughline-demo"
USUAL_PORT = 50051


def run_demo(directory: Path, seed: int, keep: bool) -> bool:
    """Run the whole demo and return whether every check held.

    Raises `ChildFailed` when a command fails, and `StoryFailed` when a promise does not hold.
    """
    console = output()
    _make_anew(directory)
    dataset, registry, store = directory / "data", directory / "registry", directory / "store"
    console.print(Text("Throughline's demo. The retailer and its customers are simulated.", "bold"))
    commands = (
        ("simulate", "--out", str(dataset), "--seed", str(seed)),
        ("train", str(dataset), "--registry", str(registry)),
    )
    for command in commands:
        _step(console, command, directory)
    release = _newest(registry)
    _step(console, ("releases", "promote", release, "--registry", str(registry)), directory)
    _step(console, ("load", str(dataset), "--store", f"sqlite:{store}"), directory)

    cast = choose(dataset)
    began = time.monotonic()
    options = (
        *("--listen", _listen(), "--store", f"sqlite:{store}", "--registry", str(registry)),
        *("--clock", cast.start.isoformat()),
    )
    _title(console, f"throughline serve {' '.join(options)}")
    console.print(
        Text(
            f"The service's clock starts at {cast.start:%Y-%m-%d %H:%M} UTC, just after the "
            "simulated data; every answer is flagged with it."
        )
    )
    with served(options, directory / "serve.log") as server:
        with connect(server, tls=Tls()) as client:
            story = Story(client, console, cast, began)
            story.tell()
        good = _judge(console, story)
        if keep and good:
            _stay(console, server, cast)
    return good


def _step(console: Console, command: tuple[str, ...], directory: Path) -> None:
    _title(console, f"throughline {' '.join(command)}")
    began = time.monotonic()
    for line in run(command, directory / f"{command[0]}.log"):
        console.print(Text(line))
    console.print(Text(f"{time.monotonic() - began:.1f} s", "dim"))


def _judge(console: Console, story: Story) -> bool:
    """Print what the check found; True when nothing differs."""
    verdict = check(story.told)
    console.print()
    console.print(Rule(Text("The check", "bold"), align="left"), width=WIDTH)
    for line in verdict.differences:
        console.print(Text(f"differs: {line}", "red"))
    found = len(verdict.differences)
    console.print(
        Text(
            f"{verdict.answers} answers, {verdict.pairs} pairs of the same moment: shown and "
            f"withheld are one ranking from rank 1 on, every gap has a reason; "
            f"{found or 'no'} difference{'' if found == 1 else 's'}.",
            "red" if found else "bold green",
        )
    )
    return not verdict.differences


def _stay(console: Console, server: str, cast: Cast) -> None:
    """Print what to try, and wait for Ctrl-C or SIGTERM."""
    at = "" if server.endswith(f":{USUAL_PORT}") else f" --server {server}"
    who = f"loyalty:{cast.loyalty}"
    now = cast.start.isoformat().replace("+00:00", "Z")
    tries: Sequence[str] = (
        f"throughline recommend --id {who} --channel web{at}",
        f"throughline recommend --id {who} --channel till --place {cast.place}{at}",
        f"throughline recommend --id {who} --channel app --intent replenish{at}",
        f"throughline record --id {who} --channel app --type view --item {cast.browsed[0]} "
        f"--time {now}{at}",
        f"throughline customer --id {who}{at}",
        f"throughline offers list{at}",
        f"throughline releases list --server {server}",
    )
    console.print()
    console.print(
        Rule(Text(f"Serving at {server} until Ctrl-C", "bold"), align="left"), width=WIDTH
    )
    console.print("In another terminal (`source .venv/bin/activate` first):")
    for line in tries:
        console.print(Text(f"  {line}"), soft_wrap=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("Stopping.")


def _make_anew(directory: Path) -> None:
    """Empty what an earlier demo left; refuses to remove what is not a demo's."""
    if directory.exists() and any(directory.iterdir()):
        if not (directory / MARK).exists():
            raise BadInput("--directory", f"{directory} is not empty, and no demo made it")
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MARK).touch()


def _newest(registry: Path) -> str:
    from models.registry import Registry

    return Registry(registry).entries()[0].release


def _listen() -> str:
    """Return the usual address when its port is free, else one of any free port."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", USUAL_PORT))
        except OSError:
            return "127.0.0.1:0"
    return f"127.0.0.1:{USUAL_PORT}"


def _title(console: Console, text: str) -> None:
    console.print()
    console.print(Text(f"$ {text}", "bold cyan"), soft_wrap=True)
