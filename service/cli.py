"""The command `throughline`: gathers every command."""

from importlib.metadata import entry_points

import typer

from service.commands import catalogue as commands_catalogue
from service.commands import customers as commands_client
from service.commands import datasets as commands_data
from service.commands import decisions as commands_decisions
from service.commands import policy as commands_policy
from service.commands import releases as commands_releases
from service.commands.health import health
from service.commands.help import ASK, LEARN, RUN, CommandsByPurpose
from service.commands.serve import serve
from service.config.exit_codes import run_and_report

app = typer.Typer(
    name="throughline",
    cls=CommandsByPurpose,
    help="The same next best offer for a person on every channel, in milliseconds.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command(rich_help_panel=RUN)(serve)
app.add_typer(commands_releases.app, name="releases", rich_help_panel=RUN)
app.add_typer(commands_policy.app, name="policy", rich_help_panel=RUN)
app.command(rich_help_panel=ASK)(commands_client.recommend)
app.command(rich_help_panel=ASK)(commands_client.record)
app.command(rich_help_panel=ASK)(commands_client.link)
app.command(rich_help_panel=ASK)(commands_client.unlink)
app.command(rich_help_panel=ASK)(commands_client.customer)
app.command(rich_help_panel=ASK)(health)
app.add_typer(commands_catalogue.offers, name="offers", rich_help_panel=ASK)
app.add_typer(commands_catalogue.items, name="items", rich_help_panel=ASK)
app.command(rich_help_panel=LEARN)(commands_data.load)
app.add_typer(commands_data.log, name="log", rich_help_panel=LEARN)
app.add_typer(commands_decisions.app, name="decisions", rich_help_panel=LEARN)
for point in sorted(entry_points(group="throughline.commands"), key=lambda found: found.name):
    for command in point.load().registered_commands:
        panel = command.rich_help_panel or LEARN
        app.command(command.name, rich_help_panel=panel)(command.callback)


def main() -> None:
    """Run the command line and exit with its code."""
    run_and_report(app)


if __name__ == "__main__":
    main()
