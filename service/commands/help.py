"""The help of a group of commands: what there is, by purpose, in plain text."""

from itertools import groupby
from typing import Any

from typer.core import TyperGroup

# What the commands are for: the panels that they are listed under.
RUN = "Run a service"
ASK = "Talk to a running service"
LEARN = "Data and training"


class CommandsByPurpose(TyperGroup):
    """Lists the commands under the panels they were registered with, in that order.

    Rich would take twice as long to import as everything else that the help needs.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write usage, what the group is for, and what each command does."""
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        for panel, names in groupby(self.list_commands(ctx), self._panel):
            with formatter.section(panel):
                formatter.write_dl([(name, self._first_line(name)) for name in names])
        formatter.write_paragraph()
        formatter.write_text(f"`{ctx.command_path} COMMAND --help` explains each.")

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, those of a panel together."""
        panels = list(dict.fromkeys(map(self._panel, self.commands)))
        return sorted(self.commands, key=lambda name: panels.index(self._panel(name)))

    def _panel(self, name: str) -> str:
        panel = getattr(self.commands[name], "rich_help_panel", "")
        return panel if isinstance(panel, str) and panel else "Commands"

    def _first_line(self, name: str) -> str:
        text = self.commands[name].help or ""
        return text.partition("\n\n")[0].replace("\n", " ")
