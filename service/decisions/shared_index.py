"""What one worker of a machine makes and all of them map: releases, and indexes of the catalogue.

A file holds a release, or the catalogue and its index under one release at one revision. It lies in
a directory of the workers' parent, which nobody else can enter and which ends with it. Who needs
one made takes a lock first: mostly another worker has made it meanwhile.
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
from models.release.packed_release import release_arrays, release_of_arrays
from models.release.release import Release

_log = structlog.get_logger(__name__)

LOCK_SECONDS = 120.0  # who makes an index longer than that is not waited for
_STEP_SECONDS = 0.02
RELEASE, INDEX = "release", "index"  # kinds of file


class SharedIndexes:
    """What workers share in `directory`; None: a process by itself, which shares with nobody."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._code = "" if directory is None else _code_digest()

    @property
    def by_others(self) -> bool:
        """Tell whether others map what this process makes."""
        return self._directory is not None

    @contextmanager
    def alone(self, kind: str) -> Iterator[None]:
        """Let no other worker make a file of a kind meanwhile."""
        if self._directory is None:
            yield
            return
        with (self._directory / f"{kind}.lock").open("wb") as lock:
            _wait_for(lock.fileno())
            yield

    def catalogue(self, epoch: int) -> Catalogue | None:
        """Return the latest catalogue of a store in `epoch` that was shared, None without one."""
        if self._directory is None:
            return None
        files = sorted(self._directory.glob(self._index(epoch, "*")), key=os.path.getmtime)
        arrays = self._map(files[-1].name) if files else None
        return None if arrays is None else Catalogue.of_arrays(part("catalogue", arrays))

    def index(self, release: Release, epoch: int) -> OfferIndex | None:
        """Return the latest index of a release that was shared, None without one."""
        arrays = self._map(self._index(epoch, release.id))
        if arrays is None:
            return None
        catalogue = Catalogue.of_arrays(part("catalogue", arrays))
        return OfferIndex.of_arrays(part("index", arrays), release, catalogue)

    def share(self, release: Release, catalogue: Catalogue, epoch: int) -> OfferIndex:
        """Make the index of all of a catalogue, put it where others find it, and map it.

        Where it cannot be written it is this process's alone.
        """
        catalogue = catalogue.packed() if catalogue.loose or self.by_others else catalogue
        index = OfferIndex(release, catalogue)
        if self._directory is None:
            return index
        parts = [*nested("catalogue", catalogue.arrays()), *nested("index", index.arrays())]
        self._write(self._index(epoch, release.id), dict(parts))
        return self.index(release, epoch) or index

    def release(self, release_id: str) -> Release | None:
        """Return a release that was tried, loaded and shared, None without one."""
        arrays = self._map(self._release(release_id))
        return None if arrays is None else release_of_arrays(release_id, arrays)

    def share_release(self, release: Release) -> Release:
        """Put a release where others find it, and map it, as `share` does an index."""
        if self._directory is None:
            return release
        self._write(self._release(release.id), release_arrays(release))
        return self.release(release.id) or release

    def _index(self, epoch: int, release_id: str) -> str:
        return f"{INDEX}-{self._code}-{epoch}-{release_id}.arrays"

    def _release(self, release_id: str) -> str:
        return f"{RELEASE}-{self._code}-{release_id}.arrays"

    def _write(self, name: str, arrays: Arrays) -> None:
        """Put a file in the place of all others of its kind; who has mapped them keeps them."""
        assert self._directory is not None
        written = self._directory / f"{name}.part"
        try:
            write_arrays(written, arrays)
            for other in self._directory.glob(f"{name.partition('-')[0]}-*.arrays"):
                other.unlink(missing_ok=True)
            written.replace(self._directory / name)
        except OSError as error:
            with suppress(OSError):
                written.unlink(missing_ok=True)
            _log.warning("not shared between workers", what=name, reason=error.strerror)

    def _map(self, name: str) -> Arrays | None:
        if self._directory is None:
            return None
        try:
            return map_arrays(self._directory / name)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("not mapped", what=name, reason=error.strerror)
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
                _log.warning("other worker not waited for", seconds=LOCK_SECONDS)
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
