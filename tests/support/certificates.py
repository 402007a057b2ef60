"""Certificates for tests: made up on the spot by authorities that nobody else trusts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import trustme

from service.client import Tls


class Files(NamedTuple):
    """A certificate and its key, in files."""

    certificate: Path
    key: Path


def authority(directory: Path, *authorities: trustme.CA) -> Path:
    """Write the certificates of authorities into one file and return it."""
    file = directory / "authority.pem"
    file.write_bytes(b"".join(one.cert_pem.bytes() for one in authorities))
    return file


def server_files(directory: Path, ca: trustme.CA) -> Files:
    """Write a new certificate for 127.0.0.1, and its key, over those of before."""
    leaf = ca.issue_cert("127.0.0.1", "localhost")
    files = Files(directory / "server.pem", directory / "server.key")
    leaf.private_key_pem.write_to_path(files.key)
    leaf.cert_chain_pems[0].write_to_path(files.certificate)
    files.key.chmod(0o600)
    return files


def client(trusted: trustme.CA, issuer: trustme.CA | None = None, expired: bool = False) -> Tls:
    """Return what a client comes with: its trust and, with an issuer, a certificate of its own."""
    if issuer is None:
        return Tls(trusted.cert_pem.bytes())
    end = datetime.now(UTC) + timedelta(days=-1 if expired else 1)
    leaf = issuer.issue_cert("till@example.org", not_after=end)
    return Tls(
        trusted.cert_pem.bytes(), leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes()
    )


def self_signed(trusted: trustme.CA) -> Tls:
    """Return a client that vouches for itself."""
    own = trustme.CA()
    return Tls(trusted.cert_pem.bytes(), own.cert_pem.bytes(), own.private_key_pem.bytes())
