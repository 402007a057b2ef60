"""The gate before a database: closed while what it holds is not the store that is served."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from models.errors import StoreUnavailable


class NotTheStore(StoreUnavailable):
    """The database answers, and what it holds is not the store that is known here."""


class Gate:
    """Lets the calls of a database through, or none but those of who looks what it holds."""

    def __init__(self) -> None:
        self.closed = ""  # why no call is let through; "": all are
        self._looking = threading.local()

    def pass_through(self) -> None:
        """Raise `NotTheStore` where the gate is closed for the calling thread."""
        if self.closed and not getattr(self._looking, "now", False):
            raise NotTheStore("not the one that was opened", self.closed)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Let this thread through in the block, whatever the gate is."""
        self._looking.now = True
        try:
            yield
        finally:
            self._looking.now = False
