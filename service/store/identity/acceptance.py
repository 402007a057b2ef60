"""What is at a store's place, told to a person, and taken note of or taken for the store."""

from typing import NamedTuple

from models.domain.identifiers import key_fingerprint
from service.store.database.backend import Backend, Durability
from service.store.database.format import FINGERPRINT_SETTING, format_of
from service.store.identity.judgement import (
    ACCEPTED,
    EPOCH,
    Found,
    Verdict,
    look,
    raise_epoch,
)
from service.store.identity.known_store import KnownStore, KnownStoreFile


class Survey(NamedTuple):
    """What a database holds, beside what is known of it; `format` is None where it has no store.

    `key_fits`: its identifiers are hashed under the key at hand, None where it has no store or no
    key is at hand. `remarks` are what else a person should know, each with what to do.
    """

    verdict: Verdict
    known: KnownStore | None
    found: Found
    format: int | None
    key_fits: bool | None
    durability: Durability
    remarks: tuple[str, ...]

    @property
    def fit(self) -> bool:
        """Tell whether a server would serve from it."""
        return self.verdict.served and self.key_fits is not False


def survey(backend: Backend, key: bytes | None, known: KnownStoreFile | None) -> Survey:
    """Return what a database holds, and write nothing; raises `StoreUnavailable`."""
    before = None if known is None else known.read()
    found = look(backend)
    fingerprint = backend.setting(FINGERPRINT_SETTING)
    fits = None if key is None or fingerprint is None else fingerprint == key_fingerprint(key)
    return Survey(
        found.judged(before),
        before,
        found,
        None if fingerprint is None else format_of(backend),
        fits,
        backend.durability,
        tuple(backend.remarks()),
    )


def accept(backend: Backend, known: KnownStoreFile, verdict: Verdict) -> None:
    """Take what a database holds for the store of `known`, to which it was `verdict`.

    Older: somebody has taken note, and answers are no longer flagged. Empty: the store begins anew,
    under the identity that it had. Another: that is the one known from now on; servers that run
    have to be started again. Raises `StoreUnavailable` and `OSError`.
    """
    before = known.read()
    found = look(backend)
    if verdict is Verdict.ANOTHER or before is None:
        known.write(KnownStore(found.identity or "", found.epoch, found.pulse))
    elif verdict is Verdict.EMPTY:
        _note(backend, known, before, raise_epoch(backend, found, before.epoch))
    elif verdict is Verdict.OLDER:
        went_back = not found.is_older
        above = max(before.epoch, found.epoch)
        epoch = raise_epoch(backend, found, above) if went_back else found.epoch
        _note(backend, known, before, epoch)


def _note(backend: Backend, known: KnownStoreFile, before: KnownStore, epoch: int) -> None:
    backend.put_setting(EPOCH, str(epoch))
    backend.put_setting(ACCEPTED, str(epoch))
    known.write(before._replace(epoch=epoch, pulse=0))
