"""Reads streams of Redis page by page: the logs of the shards, and the chain."""

from collections.abc import Iterator
from functools import partial

from service.store.redis.answers import to_bytes
from service.store.redis.calls import RedisCalls

PAGE = 500  # entries in one answer


def entries(
    calls: RedisCalls, stream: bytes, first: bytes, last: bytes, least: int
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names of entries from `first` to `last`, and the field `e` of each.

    Raises `StoreUnavailable`, also where an entry is of fewer than `least` bytes.
    """
    while True:
        page = calls.ask(partial(_page, calls, stream, first, last, least))
        yield from page
        if len(page) < PAGE:
            return
        first = after(page[-1][0])


def after(name: bytes) -> bytes:
    """Return the start of a range that begins with what follows an entry; "" is before all."""
    return b"(" + name if name else b"-"


def _page(
    calls: RedisCalls, stream: bytes, first: bytes, last: bytes, least: int
) -> list[tuple[bytes, bytes]]:
    page = calls.client.execute_command("XRANGE", stream, first, last, "COUNT", PAGE)
    found = [(to_bytes(name), to_bytes(fields[b"e"])) for name, fields in page]
    if any(len(entry) < least for _, entry in found):
        raise ValueError("log: a cut entry")
    return found
