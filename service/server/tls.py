"""The certificates of a server: files, checked before they are used, and read again on a change."""

import ssl
from pathlib import Path
from typing import NamedTuple

import structlog

from service.config.settings import ConfigurationError, Settings

_log = structlog.get_logger(__name__)


class Certificates(NamedTuple):
    """What TLS is served with, in PEM; `client_ca` is None where any client may come."""

    chain: bytes
    key: bytes
    client_ca: bytes | None


class CertificateFiles:
    """The files that the settings name, and what they held when they were last whole."""

    def __init__(self, settings: Settings) -> None:
        """Read the files; raises `ConfigurationError` naming the setting of a bad one."""
        self._paths = {
            name: path
            for name in ("tls_certificate", "tls_key", "tls_client_ca")
            if (path := getattr(settings, name)) is not None
        }
        self._seen = self._stamps()
        self._current = self._read()

    @property
    def current(self) -> Certificates:
        """Return what to serve with now."""
        return self._current

    def follow(self) -> None:
        """Take over what the files hold, if they have changed.

        Raises `ConfigurationError` while they hold nothing that could be served; the former
        certificates then stay. A pair of which one half is not yet replaced is such a case.
        """
        stamps = self._stamps()
        if stamps == self._seen:
            return
        current = self._read()
        if self._stamps() == stamps:  # else they changed meanwhile: look again next time
            self._seen, self._current = stamps, current
            _log.info("certificates read again")

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in self._paths.values()]

    def _read(self) -> Certificates:
        held = {name: _bytes(name, path) for name, path in self._paths.items()}
        self._check_pair()
        if "tls_client_ca" in held:
            self._check_client_ca()
        return Certificates(held["tls_certificate"], held["tls_key"], held.get("tls_client_ca"))

    def _check_pair(self) -> None:
        """Refuse what is no certificate, no key, or not the key of the certificate."""
        certificate, key = self._paths["tls_certificate"], self._paths["tls_key"]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # Read as an authority it tells whether the fault is the certificate's or the key's.
            context.load_verify_locations(certificate)
        except (OSError, ValueError):
            raise ConfigurationError(
                f"tls_certificate: {certificate}: not a certificate in PEM"
            ) from None
        try:
            # A key with a passphrase must not stop to ask for it.
            context.load_cert_chain(certificate, key, password="")
        except ssl.SSLError as error:
            reason = (
                "not the key of tls_certificate"
                if error.reason == "KEY_VALUES_MISMATCH"
                else "not a private key in PEM without a passphrase"
            )
            raise ConfigurationError(f"tls_key: {key}: {reason}") from None
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"tls_key: {key}: {error}") from None

    def _check_client_ca(self) -> None:
        path = self._paths["tls_client_ca"]
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
        except (OSError, ValueError):
            raise ConfigurationError(f"tls_client_ca: {path}: not a certificate in PEM") from None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _bytes(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{name}: {path}: {error.strerror}") from None
