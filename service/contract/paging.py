"""Pages of a list by id: the token says after which id the next page starts."""

import base64
import binascii
import zlib

from service.contract.validation import Check

_CHECKSUM = 4


def page_token(kind: str, last: str) -> str:
    """Return the token for what follows `last` in the list `kind`."""
    data = f"{kind}\n{last}".encode()
    return base64.urlsafe_b64encode(zlib.crc32(data).to_bytes(_CHECKSUM, "big") + data).decode()


def read_token(check: Check, kind: str, token: str) -> str:
    """Return the id that a token stands for, "" for the first page; refuses any other token."""
    if not token:
        return ""
    try:
        raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        checksum, data = raw[:_CHECKSUM], raw[_CHECKSUM:]
        of, newline, last = data.decode().partition("\n")
    except (UnicodeError, binascii.Error):
        of = newline = last = ""
        checksum, data = b"", b""
    if not newline or of != kind or checksum != zlib.crc32(data).to_bytes(_CHECKSUM, "big"):
        check.add_violation("page_token", "invalid")
    return last
