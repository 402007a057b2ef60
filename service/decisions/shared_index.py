"""The index that one worker of a machine makes of a catalogue, and that all of them map.

A file holds the catalogue and the index of one release at one revision. It lies in a directory of
the workers' parent, which nobody else can enter and which ends with it. Who needs an index made
anew takes a lock first: mostly another one has made it meanwhile.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import structlog

import models
from models.domain.catalogue import Catalogue
from models.numeric.array_file import Arrays, map_arrays, nested, part, write_arrays
from models.ranking.offer_index import OfferIndex
from models.release.release import Release

_log = structlog.get_logger(__name__)

LOCK_SECONDS = 120.0  # who makes an index longer than that is not waited for
_STEP_SECONDS = 0.02
_LOCK = "lock"


class SharedIndexes:
    """What workers share in `directory`; None: a process by itself, which shares with nobody."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._code = "" if directory is None else _code_digest()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other worker make an index meanwhile."""
        if self._directory is None:
            yield
            return
        with (self._directory / _LOCK).open("wb") as lock:
            _wait_for(lock.fileno())
            yield

    def catalogue(self, epoch: int) -> Catalogue | None:
        """Return the latest catalogue of a store in `epoch` that was shared, None without one."""
        if self._directory is None:
            return None
        files = sorted(self._directory.glob(self._name(epoch, "*")), key=os.path.getmtime)
        arrays = self._map(files[-1]) if files else None
        return None if arrays is None else Catalogue.of_arrays(part("catalogue", arrays))

    def index(self, release: Release, epoch: int) -> OfferIndex | None:
        """Return the latest index of a release that was shared, None without one."""
        if self._directory is None:
            return None
        arrays = self._map(self._directory / self._name(epoch, release.id))
        if arrays is None:
            return None
        catalogue = Catalogue.of_arrays(part("catalogue", arrays))
        return OfferIndex.of_arrays(part("index", arrays), release, catalogue)

    def share(self, release: Release, catalogue: Catalogue, epoch: int) -> OfferIndex:
        """Make the index of all of a catalogue, put it where others find it, and map it.

        Where it cannot be written it is this process's alone.
        """
        if self._directory is None:
            return OfferIndex(release, catalogue)
        catalogue = catalogue.packed()
        index = OfferIndex(release, catalogue)
        path = self._directory / self._name(epoch, release.id)
        written = path.with_suffix(".part")
        parts = [*nested("catalogue", catalogue.arrays()), *nested("index", index.arrays())]
        try:
            write_arrays(written, dict(parts))
            for other in self._directory.glob("*.arrays"):
                other.unlink(missing_ok=True)  # who has mapped it keeps it
            written.replace(path)
        except OSError as error:
            with suppress(OSError):
                written.unlink(missing_ok=True)
            _log.warning("index not shared between workers", reason=error.strerror)
            return index
        return self.index(release, epoch) or index

    def _name(self, epoch: int, release_id: str) -> str:
        return f"{self._code}-{epoch}-{release_id}.arrays"

    def _map(self, path: Path) -> Arrays | None:
        try:
            return map_arrays(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("shared index not mapped", reason=error.strerror)
            return None


ALONE = SharedIndexes(None)


def _wait_for(lock: int) -> None:
    """Take a lock; after LOCK_SECONDS go on without it: what is shared is made twice then."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                _log.warning("shared index not waited for", seconds=LOCK_SECONDS)
                return
            time.sleep(_STEP_SECONDS)
        else:
            return


def _code_digest() -> str:
    """Return what tells the code that makes indexes from that of another version.

    A worker that is started while others serve may be of a later version.
    """
    sources = sorted(Path(models.__path__[0]).rglob("*.py"))
    stats = [(str(one), one.stat().st_size, one.stat().st_mtime_ns) for one in sources]
    return hashlib.sha256(repr((stats, np.__version__)).encode()).hexdigest()[:16]
