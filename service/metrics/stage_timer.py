"""The time that each stage of a decision takes; it imports no metrics library."""

import time

STAGES = ("parse", "read", "decide", "record", "answer")


class StageTimer:
    """How long each stage of one decision took; the first begins when this is made."""

    __slots__ = ("_last", "nanoseconds")

    def __init__(self) -> None:
        self.nanoseconds: dict[str, int] = {}
        self._last = time.perf_counter_ns()

    def end(self, stage: str) -> None:
        """Say that a stage, one of `STAGES`, ends here, be it for another time."""
        now = time.perf_counter_ns()
        self.nanoseconds[stage] = self.nanoseconds.get(stage, 0) + now - self._last
        self._last = now
