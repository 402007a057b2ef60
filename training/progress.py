"""Progress of a run, as it is reported to whoever waits for it."""

from collections.abc import Callable

Progress = Callable[[int, int], None]  # (done, of): how much of the current step, of how much
Steps = Callable[[str], Progress]  # starts a step by name; its progress goes to what it returns


def no_progress(done: int, of: int) -> None:
    """Report nothing of a step."""


def no_steps(step: str) -> Progress:
    """Report nothing of any step."""
    return no_progress
