"""How far a run is, as those who wait for it are told."""

from collections.abc import Callable

Progress = Callable[[int, int], None]  # of one step: how much is done, of how much
Steps = Callable[[str], Progress]  # names the next step, and is told of it from then on
