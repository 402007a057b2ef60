"""How work that can wait goes about it beside work that cannot, in one process.

Threads of one process share one interpreter: several that compute at once are no faster than one,
and all that others have to wait for.
"""

from contextlib import nullcontext
from typing import Protocol


class Pace(Protocol):
    """As a context, it is held while computing, and by one thread at a time; never while waiting.

    `give_way` is called now and then while it is held, and lets pass what is more urgent.
    """

    def __enter__(self) -> object: ...

    def __exit__(self, *error: object) -> object: ...

    def give_way(self) -> None:
        """Let pass what is more urgent."""


class Unpaced(nullcontext[None]):
    """Of work that has no need to wait for any other."""

    def give_way(self) -> None:
        """Go on."""


UNPACED = Unpaced()
