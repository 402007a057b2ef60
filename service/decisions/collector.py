"""Keeps the garbage collector from walking what lives long: a catalogue, its index, a release.

A full collection stops every thread while it looks at each object there is, and of 100,000 offers
there are a million. These are in no cycles: what is let go of is freed at once. So what has been
loaded is set aside, where no collection looks.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SETTLED_ROWS = 5_000  # rows that may be new before they are set aside, too


@contextmanager
def loading() -> Iterator[None]:
    """Let no collection run while much is loaded, and set aside what there is at the end."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    gc.collect()
    gc.freeze()


class LongLived:
    """Counts rows that are new since what there is was set aside; not for several threads."""

    def __init__(self) -> None:
        self._rows = 0

    def add(self, rows: int) -> None:
        """Count rows that came or changed; of enough of them, set aside what there is."""
        self._rows += rows
        if self._rows > SETTLED_ROWS:
            self._rows = 0
            gc.collect(1)  # a millisecond: what a request left behind is not to be kept for good
            gc.freeze()
