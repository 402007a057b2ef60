"""The command `throughline`: gathers every command."""

from importlib.metadata import entry_points

import typer

from service.commands import catalogue as commands_catalogue
from service.commands import customers as commands_client
from service.commands import datasets as commands_data
from service.commands import decisions as commands_decisions
from service.commands import policy as commands_policy
from service.commands import releases as commands_releases
from service.commands import store as commands_store
from service.commands.health import health
from service.commands.help import ASK, LEARN, RUN, CommandsByPurpose
from service.commands.migrate import migrate
from service.commands.serve import serve
from service.config.exit_codes import run_and_report

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


def add_group(commands: typer.Typer, name: str, panel: str) -> None:
    """Add a group of commands, whose help lists them like that of the bare command."""
    app.add_typer(commands, name=name, rich_help_panel=panel, cls=CommandsByPurpose)


app.command(rich_help_panel=RUN)(serve)
app.command(rich_help_panel=RUN)(migrate)
add_group(commands_store.app, "store", RUN)
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
        panel = command.rich_help_panel or LEARN
        app.command(command.name, rich_help_panel=panel)(command.callback)


def main() -> None:
    """Run the command line and exit with its code."""
    run_and_report(app)


if __name__ == "__main__":
    main()
