"""Identifiers of a customer, and the keyed hash under which alone they are kept.

An identifier is a namespace and a value (`loyalty`, `L1`). Stores, logs and exports hold
HMAC-SHA-256(key, length-prefixed namespace || value), cut to 16 bytes: plain SHA-256 of a telephone
number is undone by trying them all, a keyed hash is not.
"""

import hashlib
import hmac
from typing import NamedTuple

HASH_BYTES = 16

# What a namespace may be called when no setting adds to it.
NAMESPACES = (
    "cookie",
    "device",
    "email_sha256",
    "phone_sha256",
    "loyalty",
    "crm",
    "till",
    "kiosk",
    "case",
    "household",
    "user",
)

# Their values must be a SHA-256 in lower-case hex: callers hash the normalised address themselves.
HASHED_NAMESPACES = frozenset({"email_sha256", "phone_sha256"})


class Identifier(NamedTuple):
    """One name of a customer, as a caller gives it. Never stored, never logged."""

    namespace: str
    value: str


def hash_identifier(key: bytes, identifier: Identifier) -> bytes:
    """Return the 16 bytes under which `identifier` is kept."""
    namespace = identifier.namespace.encode()
    message = bytes([len(namespace)]) + namespace + identifier.value.encode()
    return hmac.digest(key, message, hashlib.sha256)[:HASH_BYTES]


def key_fingerprint(key: bytes) -> str:
    """Return 16 hex digits that tell two keys apart and say nothing else about them."""
    return hmac.digest(key, b"throughline key fingerprint", hashlib.sha256)[:8].hex()
