"""Reads streams of Redis page by page: the logs of the shards, and the chain."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from service.store.redis.answers import to_bytes
from service.store.redis.calls import RedisCalls

PAGE = 500  # entries in one answer


def entries(
    calls: RedisCalls, stream: Callable[[], bytes], first: bytes, last: bytes, least: int
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names of entries from `first` to `last`, and the field `e` of each.

    `stream` names it, for each page anew. Raises `StoreUnavailable`, also where an entry is of
    fewer than `least` bytes.
    """
    while True:
        command = ("XRANGE", stream(), first, last, "COUNT", PAGE)
        page = calls.command(command, partial(_page, least))
        yield from page
        if len(page) < PAGE:
            return
        first = after(page[-1][0])


def after(name: bytes) -> bytes:
    """Return the start of a range that begins with what follows an entry; "" is before all."""
    return b"(" + name if name else b"-"


def _page(least: int, answer: Any) -> list[tuple[bytes, bytes]]:
    found = []
    for name, (field, entry) in answer:
        if field != b"e" or len(to_bytes(entry)) < least:
            raise ValueError("log: a cut entry")
        found.append((to_bytes(name), entry))
    return found
