"""Where a store is: the URLs that name one, and the file of one that is embedded."""

from pathlib import Path

EMBEDDED = "sqlite:"
DATABASE = "throughline.db"


def directory_of(url: str) -> Path | None:
    """Return the directory of an embedded store; None for a store in Redis."""
    return Path(url.removeprefix(EMBEDDED)) if url.startswith(EMBEDDED) else None


def described(url: str) -> str:
    """Return where a store is, for a person: never as whom it is asked, nor with which password.

    Options of the client are not told: some are passwords.
    """
    directory = directory_of(url)
    if directory is not None:
        return str(directory / DATABASE)
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
