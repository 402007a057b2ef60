"""How much of a processor this machine gives, and that some tests cannot be judged without one.

Tests marked `machine` start servers, train, or judge seconds. On a machine that gives a small part
of a processor they take hours, or fail for want of it, and say nothing of the code: there they are
skipped, by name and number, and everything else is run, as far as it is begun within `MINUTES`. On
any other machine all are run, however long they take.
"""

import os
import sys
import time

SECONDS = 3.0  # long enough to meet the stalls of a machine that is shared by too many
USUAL = 25_000_000  # additions of a loop in Python a second, on one core of a usual server
# Of the usual, below which nothing in seconds can be judged: at a quarter of it, answers of Redis
# over loopback were met that took longer than the 0.25 s they have.
LEAST = 0.3
MINUTES = 25  # that tests are begun for on such a machine
_SAID = "TESTS_SHARE_OF_A_PROCESSOR"  # what the first process measured, for those that it starts

_started = time.monotonic()


def share() -> float:
    """Return what the machine gives of a usual processor, on average; measured once a run."""
    if _SAID not in os.environ:
        os.environ[_SAID] = f"{_rate() / USUAL:.3f}"
    return float(os.environ[_SAID])


def too_slow() -> str:
    """Return why tests marked `machine` are skipped here, "" where they are run."""
    given = share()
    if given >= LEAST:
        return ""
    return f"NOT TESTED: this machine gives {given:.1%} of a processor, at least {LEAST:.0%} needed"


def over() -> str:
    """Return why no more tests are begun, "" while they are: always, unless it is too slow."""
    reason = too_slow()
    if reason and time.monotonic() - _started > 60 * MINUTES:
        return f"{reason}; {MINUTES} minutes are over"
    return ""


def main() -> int:
    """Say whether the machine is too slow; the exit code is 1 then."""
    reason = too_slow()
    if reason:
        print(reason)
    return bool(reason)


def _rate() -> float:
    """Return how many additions a second are done, stalls included."""
    started = time.perf_counter()
    total = 0
    while (passed := time.perf_counter() - started) < SECONDS:
        for _ in range(10_000):
            total += 1
    return total / passed


if __name__ == "__main__":
    sys.exit(main())
