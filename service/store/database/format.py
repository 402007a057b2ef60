"""The format of a whole store: a number that it keeps from its first moment on.

A version reads its own format and the one before; `throughline migrate` brings a store on from one
to the next. Stores of format 2 keep no number.
"""

import os

from models.codec import FORMAT, READ
from models.errors import ThroughlineError
from service.store.database.backend import Backend

FORMAT_SETTING = "format"
FINGERPRINT_SETTING = "key_fingerprint"  # every store has one, whatever its format
IDENTITY_SETTING = "identity"
IDENTITY_BYTES = 6  # of chance; a store says them in hexadecimal
MIGRATE = "throughline migrate"

_WITHOUT_NUMBER = 2


class UnknownStoreFormat(ThroughlineError):
    """A store of a format that this version does not read; it is left as it is."""

    exit_code = os.EX_CONFIG


def check_format(stored: str | None) -> None:
    """Raise `UnknownStoreFormat` unless this version reads a store that keeps `stored`.

    None is what a new store keeps, and one of the format that had no number.
    """
    if stored is None:
        return
    found = int(stored) if stored.isdecimal() else None
    if found is None:
        raise UnknownStoreFormat(f"store: format {ascii(stored)[:40]} is no number; damaged?")
    if found not in READ:
        raise UnknownStoreFormat(_refusal(found))


def check_layout(stored: str | None, known: int) -> None:
    """Raise `UnknownStoreFormat` unless a layout of keys is `known`, or one before that."""
    if stored is not None and not (stored.isdecimal() and int(stored) <= known):
        raise UnknownStoreFormat(
            f"store: layout {ascii(stored)[:40]}; this version reads up to {known}: use a later "
            "version"
        )


def format_of(backend: Backend) -> int:
    """Return the format of a store, which is that of today where the store is new.

    Raises `UnknownStoreFormat`, and `StoreUnavailable`.
    """
    # In this order: who makes a store writes the format first, then the fingerprint.
    made = backend.setting(FINGERPRINT_SETTING) is not None
    stored = backend.setting(FORMAT_SETTING)
    if stored is None and made:
        stored = str(_WITHOUT_NUMBER)
    elif stored is None:
        stored = backend.put_if_absent(FORMAT_SETTING, str(FORMAT))
    check_format(stored)
    return int(stored)


def _refusal(found: int) -> str:
    if found > FORMAT:
        return (
            f"store: format {found}; this version reads up to {FORMAT}: use a later version, "
            f"one that reads format {found}"
        )
    return (
        f"store: format {found}; this version reads from {READ[0]} on: bring it on with "
        f"`{MIGRATE}` of the version before"
    )
