"""The bars by which long commands show how far they are: on stderr, and only on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from service.commands.terminal import error_console


@contextmanager
def progress_bars(wanted: bool = True) -> Iterator[Callable[[str, int, int | None], None]]:
    """Yield what shows progress of a task: its name, how much is done, and of how much if known.

    What is quick has no bar: it is not `wanted`.
    """
    console = error_console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, disable=not (wanted and console.is_terminal)) as bars:

        def show(task: str, done: int, total: int | None) -> None:
            if task not in tasks:
                tasks[task] = bars.add_task(task, total=total)
            bars.update(tasks[task], completed=done)

        yield show
