"""The secret key that identifiers are hashed with: given, read from a file, or made once.

Whoever holds the key and a store can tell whether a known telephone number is in it; whoever loses
it can no longer find anybody. It is kept apart from the store where there is more than one machine.
"""

import os
import secrets
import tempfile
from pathlib import Path

from models.release.durable_files import sync_directory
from service.config.settings import ConfigurationError, Settings
from service.store.database.location import DATABASE, directory_of

KEY_BYTES = 32
KEY_FILE = "identifier.key"


def load_key(settings: Settings) -> bytes:
    """Return the key of `settings`: `key` in hex, or what `key_file` holds.

    With neither, an embedded store has its key beside it, made when the store is; any other store
    needs one of them. Raises `ConfigurationError` naming the setting.
    """
    key = existing_key(settings)
    if key is not None:
        return key
    directory = directory_of(settings.store)
    assert directory is not None, "any other store has its key by now"
    path = directory / KEY_FILE
    _make(path)
    return _read(path)


def existing_key(settings: Settings) -> bytes | None:
    """Return the key of `settings`; None for an embedded store that is yet to be made.

    Makes nothing. Raises `ConfigurationError` naming the setting.
    """
    key = settings.key.get_secret_value()
    if key:
        return _parsed(key, "key")
    if settings.key_file is not None:
        return _read(settings.key_file)
    directory = directory_of(settings.store)
    if directory is None:
        raise ConfigurationError(
            "key_file: missing; every service of a shared store needs the same key"
        )
    path = directory / KEY_FILE
    if path.exists():
        return _read(path)
    if (directory / DATABASE).exists():
        raise ConfigurationError(
            f"key_file: missing, {path} not found, but there is a store made with a key"
        )
    return None


def _make(path: Path) -> None:
    """Write a new key, whole and on disk, unless another process was first."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{KEY_FILE}.", dir=path.parent)  # mode 0600
    except OSError as error:
        raise ConfigurationError(f"store: {path.parent}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(name)
        # Or a power cut may take the key's name away and leave what was hashed with it.
        sync_directory(path.parent)
    except FileExistsError:
        return
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        Path(name).unlink()


def _read(path: Path) -> bytes:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigurationError(f"key_file: {path}: {reason}") from None
    return _parsed(text.strip(), f"key_file: {path}")


def _parsed(text: str, setting: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < KEY_BYTES:
        raise ConfigurationError(f"{setting}: want at least {2 * KEY_BYTES} hex digits")
    return key
