"""Runs the demo: the other commands as child processes, the story against them, and the check."""

import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from demo.address import USUAL_PORT, listen_on, must_be_free
from demo.cast import Cast, choose
from demo.check import check
from demo.children import run, served
from demo.figures import against_the_opponent, read_report
from demo.page import command_line, heading, page
from demo.story import Story
from models.errors import BadInput
from models.release.registry import Registry
from service.client import Tls, connect
from service.commands.answers import SHORT

MARK = ".throughline-demo"


def run_demo(directory: Path, seed: int, keep: bool, port: int | None = None) -> bool:
    """Run the whole demo and return whether every check held.

    Raises `BadInput` when `port` is taken, `ChildFailed` when a command fails, `NotServing` when
    the service does, and `StoryFailed` when a promise does not hold.
    """
    if port is not None:
        must_be_free(port)
    console = page()
    _make_anew(directory)
    dataset, registry, store = directory / "data", directory / "registry", directory / "store"
    console.print(Text("Throughline's demo. The retailer and its customers are simulated.", "bold"))
    _step(console, ("simulate", "--out", str(dataset), "--seed", str(seed)), directory)
    release = _train(console, dataset, registry, directory)
    _step(console, ("releases", "promote", release[:SHORT], "--registry", str(registry)), directory)
    _step(console, ("load", str(dataset), "--store", f"sqlite:{store}"), directory)

    cast = choose(dataset)
    began = time.monotonic()
    options = (
        *("--listen", listen_on(port), "--store", f"sqlite:{store}", "--registry", str(registry)),
        *("--clock", cast.start.isoformat()),
    )
    command_line(console, ("serve", *options))
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
    """Run a command and print all that it printed."""
    command_line(console, command)
    began = time.monotonic()
    for line in run(command, directory / f"{command[0]}.log"):
        console.print(Text(line))
    console.print(Text(f"{time.monotonic() - began:.1f} s", "dim"))


def _train(console: Console, dataset: Path, registry: Path, directory: Path) -> str:
    """Train, print the figures that matter, and return the release's id."""
    command, log = ("train", str(dataset), "--registry", str(registry)), directory / "train.log"
    command_line(console, command)
    began = time.monotonic()
    printed = run(command, log)
    seconds = time.monotonic() - began
    release = Registry(registry).entries()[0].release
    console.print(Text(printed[0]))  # what was learnt, and on which days it is measured
    console.print(against_the_opponent(read_report(registry, release)))
    console.print(Text(f"The release is {release}."))
    console.print(Text(f"The whole report: {log}"))
    console.print(Text(f"{seconds:.1f} s", "dim"))
    return release


def _judge(console: Console, story: Story) -> bool:
    """Print what the check found; True when nothing differs."""
    verdict = check(story.told)
    heading(console, "The check")
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
    heading(console, f"Serving at {server} until Ctrl-C")
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
