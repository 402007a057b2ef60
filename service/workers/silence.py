"""How long a worker has been silent though it could have spoken: what tells that it hangs.

A worker that gets no processor is silent, too, and to kill it would only add a start to the load.
So the time that it waited for one does not count, nor that in which a debugger or a disk held it,
nor that in which its parent did not run either.
"""

import time
from contextlib import suppress
from pathlib import Path

STEP_SECONDS = 1.0  # between two looks
SUSPICIOUS_SECONDS = 2.0  # of silence, after which it is looked at why
_HELD = ("D", "t")  # waits for a disk, is traced


class Silence:
    """The silence of one process, looked at every `STEP_SECONDS`."""

    def __init__(self, pid: int) -> None:
        self._tasks = Path(f"/proc/{pid}/task")
        self.broken()

    def broken(self) -> None:
        """Begin anew: it has spoken."""
        self._seconds = 0.0
        self._looked = time.monotonic()
        self._waited: dict[str, int] = {}

    def seconds(self) -> float:
        """Return the seconds for which it could have spoken and did not."""
        now = time.monotonic()
        passed = min(now - self._looked, 1.5 * STEP_SECONDS)  # more: we did not run either
        self._looked = now
        if self._seconds >= SUSPICIOUS_SECONDS:
            passed = max(0.0, passed - self._excused(passed))
        self._seconds += passed
        return self._seconds

    def _excused(self, passed: float) -> float:
        """Return for how many of the last seconds one of its threads could not go on."""
        before, self._waited = self._waited, {}
        longest = 0
        with suppress(OSError):  # it has ended; or a system that does not tell
            for task in self._tasks.iterdir():
                with suppress(OSError):  # the thread has
                    if (task / "stat").read_text().rpartition(")")[2].split()[0] in _HELD:
                        longest = max(longest, round(passed * 1e9))
                    waited = int((task / "schedstat").read_text().split()[1])
                    self._waited[task.name] = waited
                    longest = max(longest, waited - before.get(task.name, waited))
        return longest / 1e9
