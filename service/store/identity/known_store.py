"""What a directory knows of the store that it belongs to: `store.json`, kept outside the database.

The directory is the registry's, or of an embedded store its own. So a database that was emptied,
exchanged or restored from an older copy is told from the one that was served before.
"""

import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from models.errors import ThroughlineError
from models.release.durable_files import replace_durably
from service.store.database.private_files import OWNER_ONLY

FILE = "store.json"


class BadKnownStore(ThroughlineError):
    """A `store.json` that cannot be read; the text names it."""

    exit_code = os.EX_CONFIG


class KnownStore(NamedTuple):
    """A store by its identity, its epoch, and the last pulse that was seen of it."""

    identity: str
    epoch: int
    pulse: int


class KnownStoreFile:
    """The file in a directory; several processes may keep it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE

    def read(self) -> KnownStore | None:
        """Return what is known, None where nothing is; raises `BadKnownStore`."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_Stored).known
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise BadKnownStore(f"{self.path}: {error.strerror}") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise BadKnownStore(
                f"{self.path}: not readable; restore it, or remove it to know no store"
            ) from None

    def write(self, known: KnownStore) -> None:
        """Replace what is known, durably; raises `OSError`, and leaves then what there was."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = msgspec.json.format(msgspec.json.encode(_Stored(*known))) + b"\n"
        replace_durably(self.path, text, OWNER_ONLY)

    def advance(self, known: KnownStore) -> None:
        """Write what is known unless the file knows of a later moment of that store already."""
        before = self.read()
        same = before is not None and before.identity == known.identity
        if not (same and before is not None and before[1:] >= known[1:]):
            self.write(known)


class _Stored(msgspec.Struct, frozen=True):
    identity: str
    epoch: int
    pulse: int

    @property
    def known(self) -> KnownStore:
        return KnownStore(self.identity, self.epoch, self.pulse)
