"""Remembers for a moment that the database takes no writes: nobody waits to hear it again."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from models.errors import StoreUnavailable
from service.store.database.backend import OutOfTime, WritesRefused

REST_SECONDS = 1.0  # how long a refusal is believed
SLOW_SECONDS = 0.2  # a write that waited as long in vain says that the next one would, too


class RefusedWrites:
    """Whether writes are refused now, by what became of the latest; for all threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` in seconds, never back."""
        self._clock = clock
        self._until = 0.0

    @property
    def now(self) -> bool:
        """Tell whether the last write was refused, less than a second ago."""
        return self._clock() < self._until

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Learn from the write in the block: it is done, or raises why not."""
        begun = self._clock()
        try:
            yield
        except StoreUnavailable as error:
            self.learn(error, self._clock() - begun)
            raise
        self._until = 0.0

    def learn(self, error: StoreUnavailable, waited: float = 0.0) -> None:
        """Learn from how a write failed that took so many seconds."""
        late = isinstance(error, OutOfTime) and waited >= SLOW_SECONDS
        if late or isinstance(error, WritesRefused):
            self._until = self._clock() + REST_SECONDS
