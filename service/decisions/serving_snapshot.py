"""What one request decides with, and what of the pair in force was too bad to be part of it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from models.decision.inputs import SharedInputs
from models.domain.catalogue import Catalogue
from models.domain.decisions import Flag
from models.policy.schema import Policy
from models.ranking.offer_index import OfferIndex
from models.release.histories import HistoryEntry
from service.contract.errors import NoRelease

FileStamps = tuple[tuple[str, int, int, int], ...]


class Refused(NamedTuple):
    """A release or policy in force that is too bad to serve; `files` as they were found."""

    entry: HistoryEntry
    files: FileStamps


@dataclass(frozen=True)
class ServingSnapshot:
    """What one request decides with; `index` is None until a release is in force.

    While a release or a policy is refused, another one decides than is in force.
    """

    catalogue: Catalogue
    index: OfferIndex | None
    policy: Policy
    refused_release: Refused | None = None
    refused_policy: Refused | None = None

    @property
    def release_id(self) -> str:
        """Return the id of the release that decides; "" without one."""
        return "" if self.index is None else self.index.release.id

    @property
    def flags(self) -> tuple[Flag, ...]:
        """Return what is lesser about every answer from it."""
        flags = [Flag.RELEASE_FALLBACK] if self.refused_release else []
        return (*flags, Flag.POLICY_FALLBACK) if self.refused_policy else tuple(flags)

    def shared_inputs(self) -> SharedInputs:
        """Return what all decisions share; raises `NoRelease` while none is in force."""
        if self.index is None:
            raise NoRelease("model: none loaded")
        return SharedInputs(self.index, self.policy, flags=self.flags)


def file_stamps(path: Path) -> FileStamps:
    """Return name, inode, size and time of a file, or of each in a directory; () where it is not.

    Cheap enough to ask several times a second whether somebody has mended what was damaged.
    """
    try:
        entries = [*os.scandir(path)] if path.is_dir() else []
        paths = [path, *(Path(entry.path) for entry in entries)]
        stats = [(one.name, one.lstat()) for one in paths]
    except OSError:
        return ()
    return tuple(
        sorted((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
    )


def is_wanted(
    entry: HistoryEntry, served: str, refused: Refused | None, path: Callable[[str], Path]
) -> bool:
    """Tell whether the entry in force is to be taken over: it is not served, and not known as bad.

    One that was refused is tried again once its files have changed. One that is served while
    another is refused, which was in force until now, ends the fallback.
    """
    if refused is not None and refused.entry == entry:
        return refused.files != file_stamps(path(entry.id))
    return entry.id != served or refused is not None
