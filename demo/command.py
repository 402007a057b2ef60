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
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="The port to serve on; 0: any that is free.",
            show_default="50051, or any that is free",
        ),
    ] = None,
) -> None:
    """Simulate a retailer, train, serve, and follow one customer over every channel.

    Exits with 1 where two channels contradict each other, saying how.
    """
    from demo.run import run_demo

    # These end the children as well: like Ctrl-C they pass through every `finally`.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    if not run_demo(directory, seed, keep, port):
        raise typer.Exit(1)
