"""What must hold before a server makes a file or takes a port: its settings name what can be used.

Imports nothing heavy, and no gRPC: the parent of several workers checks this for them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import structlog

from models.clock_time import has_zone_data
from models.domain.input.zones import NO_DATA
from service.config.keys import existing_key
from service.config.settings import ConfigurationError, Settings, is_loopback
from service.server.tls import CertificateFiles
from service.store.database.location import directory_of
from service.store.sqlite.lock import lock_directory

_log = structlog.get_logger(__name__)

_OTHERS = 0o077  # what group and world may do with a file


def check_settings(settings: Settings) -> None:
    """Raise `ConfigurationError`, naming the setting, for what cannot be used; make nothing."""
    if settings.tls:
        CertificateFiles(settings)
    existing_key(settings)
    directory = directory_of(settings.store)
    if directory is None:
        _check_writable("spill", settings.spill)
    else:
        _check_writable("store", directory)
    if settings.registry.exists():
        _check_directory("registry", settings.registry, os.R_OK | os.X_OK)


def log_warnings(settings: Settings) -> None:
    """Log what is permitted and yet worth knowing."""
    if not settings.loopback and not settings.tls:
        _log.warning("reachable from outside without TLS", listen=settings.listen)
    if settings.metrics_listen is not None and not is_loopback(settings.metrics_listen):
        _log.warning("metrics are reachable from outside", listen=settings.metrics_listen)
    if settings.clock is not None:
        _log.warning("the clock is set", start=settings.clock.isoformat())
    if not has_zone_data():
        _log.warning(NO_DATA)
    for name in ("tls_key", "key_file"):
        path: Path | None = getattr(settings, name)
        if path is not None and path.stat().st_mode & _OTHERS:
            _log.warning("others than its owner may use the key", setting=name, path=str(path))


@contextmanager
def sole_server(settings: Settings) -> Iterator[None]:
    """Be the one server of an embedded store while the block runs.

    Raises `StoreUnavailable` when there is another one.
    """
    directory = directory_of(settings.store)
    with nullcontext() if directory is None else lock_directory(directory):
        yield


def _check_writable(setting: str, directory: Path) -> None:
    """Check a directory, or where it is to be made."""
    present = next(path for path in (directory, *directory.absolute().parents) if _there(path))
    _check_directory(setting, present, os.R_OK | os.W_OK | os.X_OK)


def _check_directory(setting: str, directory: Path, access: int) -> None:
    if not directory.is_dir():
        raise ConfigurationError(f"{setting}: {directory}: not a directory")
    if not os.access(directory, access):
        raise ConfigurationError(f"{setting}: {directory}: permission denied")


def _there(path: Path) -> bool:
    # A link to nowhere is there: no directory can be made in its place.
    return path.is_symlink() or path.exists()
