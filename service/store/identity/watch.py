"""Watches that a database still holds the store that it was opened as, and all of it.

Looked at every second. Empty, or another store: the gate is closed until a command accepts what is
there, or the store is back. Older than it was, by a failover or a restored copy: it is served, its
epoch is raised, and every answer says so until a command takes note.
"""

from threading import Lock

import structlog

from models.errors import StoreUnavailable
from service.store.database.backend import Backend, PartAway
from service.store.identity.judgement import (
    PULSE,
    Found,
    look,
    raise_epoch,
    refusal,
)
from service.store.identity.known_store import KnownStore, KnownStoreFile
from service.store.identity.recent_writes import RecentWrites

_log = structlog.get_logger(__name__)

REMEMBER_EVERY = 10  # looks, one a second, between two writes of what is known if nothing happens


class StoreWatch:
    """What is known of one store, as it is served by this process.

    `epoch` is that of the last look, `is_older` whether nobody has taken note of it. `rewinds` is
    how often this process found the store older than it was.
    """

    def __init__(self, backend: Backend, recent: RecentWrites, file: KnownStoreFile | None) -> None:
        """`backend` was just opened; `file` may keep what is known. Raises `StoreUnavailable`."""
        found = look(backend)
        self._backend = backend
        self._recent = recent
        self._file = file
        self._one_at_a_time = Lock()
        self._identity = found.identity or ""
        self._pulse = found.pulse
        self._lineage = backend.lineage()
        self._unproven = False  # another database may answer, and what it has was not looked at
        self._looks = 0
        self._remembering = True
        self.epoch = found.epoch
        self.is_older = found.is_older
        self.rewinds = 0
        self._remember()

    @property
    def is_served(self) -> bool:
        """Tell whether what the database holds is served."""
        return not self._backend.gate.closed

    def look(self) -> None:
        """Look once, and count the look in the store, which must take that write.

        Raises `NotTheStore` where it is not served, and `StoreUnavailable`.
        """
        with self._one_at_a_time:
            self._look()

    def close(self) -> None:
        """Remember how far the store had come."""
        self._remember()

    def _look(self) -> None:
        backend, gate = self._backend, self._backend.gate
        with gate.looking():
            backend.check()
            lineage = backend.lineage()
            if lineage != self._lineage:
                self._lineage, self._unproven = lineage, True
            try:
                found = look(backend)
            except PartAway:
                return  # of several servers that with the settings; the others go on as they were
            self._judge(found)
        gate.pass_through()
        if found.pulse < self._pulse or self._unproven:
            self._prove(found)
        elif found.epoch != self.epoch:
            _log.warning("the store's epoch was raised", epoch=found.epoch)
        self.epoch = max(self.epoch, found.epoch)
        self.is_older = self.epoch > found.accepted
        self._pulse = backend.count_up(PULSE)
        self._looks += 1
        if self._recent.take_changed() or self._looks % REMEMBER_EVERY == 0:
            self._remember()

    def _judge(self, found: Found) -> None:
        """Close the gate where the database holds no store, or another; else open it."""
        known, gate = KnownStore(self._identity, 0, 0), self._backend.gate
        verdict = found.judged(known)
        why = self._backend.moved()
        if not verdict.served:
            why = why or refusal(verdict, known, found)
        if why and why != gate.closed:
            _log.error("the store is not served", reason=why)
            self._remember()
        elif gate.closed and not why:
            _log.warning("the store is served again", identity=self._identity)
            self._unproven = True
        gate.closed = why

    def _prove(self, found: Found) -> None:
        """Raise the epoch where something that was stored is gone."""
        lost = self._recent.missing(self._backend.get_many)
        if found.epoch > self.epoch:
            _log.warning("the store's epoch was raised", epoch=found.epoch)
        elif lost or found.pulse < self._pulse or found.epoch < self.epoch:
            self.epoch = raise_epoch(self._backend, found, self.epoch)
            self.rewinds += 1
            _log.error(
                "the store is older than it was; acknowledged writes are missing",
                epoch=self.epoch,
                shards=lost,
                seconds=max(0, self._pulse - found.pulse),
            )
        self._unproven = False
        self._remember()

    def _remember(self) -> None:
        if self._file is None:
            return
        try:
            self._file.advance(KnownStore(self._identity, self.epoch, self._pulse))
        except (OSError, StoreUnavailable) as error:
            if self._remembering:
                _log.warning("what is known of the store cannot be kept", reason=str(error))
            self._remembering = False
        else:
            self._remembering = True
