"""The command `throughline`: gathers every command and turns what goes wrong into one line.

    64 usage   65 bad data   66 missing input   69 no service   73 cannot write   78 configuration

are the exit codes beside 0 and 1, as in sysexits.h.
"""

import os
import sys
from collections.abc import Callable
from importlib.metadata import entry_points

import typer

from models.errors import BadDataset, BadInput, BadRelease, StoreUnavailable, ThroughlineError
from models.gate import Held
from service.commands import ask as commands_client
from service.commands import catalogue as commands_catalogue
from service.commands import data as commands_data
from service.commands import decisions as commands_decisions
from service.commands import policy as commands_policy
from service.commands import releases as commands_releases
from service.commands.health import health
from service.commands.help import CommandsByPurpose
from service.commands.serve import serve
from service.demo.command import demo

# Packages of an extra, by the extra that brings them.
EXTRAS = {"lightfm": "train", "polars": "train", "scipy": "train", "pyarrow": "data"}

app = typer.Typer(
    name="throughline",
    cls=CommandsByPurpose,
    help="The same next best offer for a person on every channel, in milliseconds.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text wraps at any width, cuts nothing and appears at once
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

RUN = "Run a service"
ASK = "Talk to a running service"
LEARN = "Data and training"


def add_group(commands: typer.Typer, name: str, panel: str) -> None:
    """Add a group of commands, whose help lists them like that of the bare command."""
    app.add_typer(commands, name=name, rich_help_panel=panel, cls=CommandsByPurpose)


app.command(rich_help_panel=RUN)(demo)
app.command(rich_help_panel=RUN)(serve)
add_group(commands_releases.app, "releases", RUN)
add_group(commands_policy.app, "policy", RUN)
app.command(rich_help_panel=ASK)(commands_client.recommend)
app.command(rich_help_panel=ASK)(commands_client.record)
app.command(rich_help_panel=ASK)(commands_client.link)
app.command(rich_help_panel=ASK)(commands_client.unlink)
app.command(rich_help_panel=ASK)(commands_client.customer)
app.command(rich_help_panel=ASK)(health)
add_group(commands_catalogue.offers, "offers", ASK)
add_group(commands_catalogue.items, "items", ASK)
app.command(rich_help_panel=LEARN)(commands_data.load)
add_group(commands_data.log, "log", LEARN)
add_group(commands_decisions.app, "decisions", LEARN)
for point in sorted(entry_points(group="throughline.commands"), key=lambda found: found.name):
    for command in point.load().registered_commands:
        app.command(command.name, rich_help_panel=LEARN)(command.callback)


def main() -> None:
    """Run the command line and exit with its code."""
    reported(app)


def reported(program: Callable[[], object]) -> None:
    """Run a program; tell what goes wrong with it in one line, and exit with the code for that."""
    try:
        program()
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _fail(f"this needs the extra `{extra}`: pip install 'throughline[{extra}]'", 1)
    except ThroughlineError as error:
        _fail(str(error), _code(error))
    except FileNotFoundError as error:
        _fail(f"{error.filename}: not found", os.EX_NOINPUT)
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"{error.filename}: {error.strerror}", os.EX_CANTCREAT)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _code(error: ThroughlineError) -> int:
    if isinstance(error, BadInput | BadDataset | BadRelease | Held):
        return os.EX_DATAERR
    if isinstance(error, StoreUnavailable):
        return os.EX_UNAVAILABLE
    # What an error of a later layer knows better, it says.
    return int(getattr(error, "exit_code", 1))


def _fail(text: str, code: int) -> None:
    print(f"throughline: {text}", file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
