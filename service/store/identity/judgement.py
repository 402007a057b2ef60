"""What a database holds, beside what is known of the store that should be there."""

import os
from enum import Enum
from typing import NamedTuple

from models.errors import ThroughlineError
from service.store.database.backend import Backend
from service.store.database.format import IDENTITY_SETTING
from service.store.identity.known_store import KnownStore

EPOCH, ACCEPTED, PULSE = "epoch", "accepted_epoch", "pulse"
REMEDY = "put it back, or `throughline store accept` what is there"


class NotServed(ThroughlineError):
    """A database that holds another store than the one known, or none any more."""

    exit_code = os.EX_CONFIG


class Verdict(Enum):
    """What a database is to whoever knows a store: the values say it to a person."""

    NEW = "not known here yet"
    SAME = "the store that is known here"
    OLDER = "older than it was known to be: it has lost its last moments"
    EMPTY = "empty, where a store is known"
    ANOTHER = "another store than the one known here"

    @property
    def served(self) -> bool:
        """Tell whether a server decides and stores by it."""
        return self not in (Verdict.EMPTY, Verdict.ANOTHER)


class Found(NamedTuple):
    """What a database says of the store in it; no `identity`: there is none.

    `epoch` is raised each time that the store is found older than it was; up to `accepted` somebody
    has taken note of it. `pulse` grows with every look of a server.
    """

    identity: str | None
    epoch: int
    accepted: int
    pulse: int

    @property
    def is_older(self) -> bool:
        """Tell whether the store has lost something that nobody has taken note of."""
        return self.epoch > self.accepted

    def judged(self, known: KnownStore | None) -> Verdict:
        """Return what it is to whoever knows a store, or none."""
        if known is None:
            return Verdict.NEW
        if self.identity is None:
            return Verdict.EMPTY
        if self.identity != known.identity:
            return Verdict.ANOTHER
        went_back = self.epoch < known.epoch or (
            self.epoch == known.epoch and self.pulse < known.pulse
        )
        return Verdict.OLDER if went_back or self.is_older else Verdict.SAME


def look(backend: Backend) -> Found:
    """Return what a database says now; raises `StoreUnavailable`."""
    identity, *numbers = backend.settings((IDENTITY_SETTING, EPOCH, ACCEPTED, PULSE))
    epoch, accepted, pulse = (int(number or 0) for number in numbers)
    return Found(identity, epoch, accepted, pulse)


def raise_epoch(backend: Backend, found: Found, above: int) -> int:
    """Have the epoch be greater than `above` and return it, whoever else raises it, too."""
    epoch = found.epoch
    while epoch <= above:
        before = None if epoch == 0 else str(epoch)
        if backend.replace_setting(EPOCH, before, str(above + 1)):
            return above + 1
        epoch = look(backend).epoch
    return epoch


def refusal(verdict: Verdict, known: KnownStore | None, found: Found) -> str:
    """Return why a store is not served, and what to do."""
    knows = "" if known is None else f" (known: {known.identity}"
    has = f", found: {found.identity})" if found.identity else ")"
    return f"store: {verdict.value}{knows}{has if knows else ''}; {REMEDY}"
