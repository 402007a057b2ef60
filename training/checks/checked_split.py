"""What is held out of a log, as the checks look at it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from training.log.event_log import Log
from training.splits.cases import Case, Split
from training.splits.protocols import target_types


@dataclass(frozen=True)
class CheckedSplit:
    """Cases with the log that their histories come from, and the log that is learnt from.

    `window` is the start and end of what is held out, None where there is none.
    """

    log: Log
    training: Log
    cases: Sequence[Case]
    window: tuple[int, int] | None = None

    @classmethod
    def of(cls, log: Log, split: Split) -> "CheckedSplit":
        """Return a split of `log`, to be checked; histories are those before the window."""
        return cls(
            log if split.window else split.training, split.training, split.cases, split.window
        )

    @cached_property
    def targets(self) -> frozenset[str]:
        """The event types that say what customers turned to."""
        return frozenset(target_types(self.log))
