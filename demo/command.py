"""`throughline demo`: the whole of Throughline on a simulated retailer, checked by itself."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from service.commands.help import RUN

app = typer.Typer(no_args_is_help=True, help="The demo.")


@app.command(rich_help_panel=RUN)
def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Stay up afterwards, with commands to try.")
    ] = False,
    directory: Annotated[
        Path, typer.Option(help="Where the demo keeps its files; made anew each time.")
    ] = Path("var/demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated retailer.")] = 7,
) -> None:
    """Simulate a retailer, train, serve, and follow one customer over every channel.

    Exits with 1 where two channels contradict each other, saying how.
    """
    from demo.run import run_demo

    # A SIGTERM ends the children as well: like Ctrl-C it passes through every `finally`.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not run_demo(directory, seed, keep):
        raise typer.Exit(1)
