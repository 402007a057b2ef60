"""The time that each stage of a decision takes; it imports no metrics library."""

import time

STAGES = ("parse", "read", "decide", "record", "answer")


class StageTimer:
    """How long each stage of one decision took; the first stage begins when this is made."""

    __slots__ = ("_last", "nanoseconds")

    def __init__(self) -> None:
        self.nanoseconds: dict[str, int] = {}
        self._last = time.perf_counter_ns()

    def end(self, stage: str) -> None:
        """End a stage, one of `STAGES`, and begin the next; a stage that ends again adds up."""
        now = time.perf_counter_ns()
        self.nanoseconds[stage] = self.nanoseconds.get(stage, 0) + now - self._last
        self._last = now
