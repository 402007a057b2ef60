"""Cuts rows for calls: so many go into one as the service takes, by number and by size."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from google.protobuf.message import Message

ROWS = 1000  # that one call may ask for or send
CALL_BYTES = 3 * 1024 * 1024  # of the rows of one call; the service takes 4 MiB
FRAME_BYTES = 8  # at most, around a row in a call

M = TypeVar("M", bound=Message)


def parts(rows: Sequence[M]) -> Iterator[Sequence[M]]:
    """Yield rows in order, as many at a time as one call takes."""
    first = size = 0
    for at, row in enumerate(rows):
        more = row.ByteSize() + FRAME_BYTES
        if at > first and (at - first == ROWS or size + more > CALL_BYTES):
            yield rows[first:at]
            first, size = at, 0
        size += more
    if rows:
        yield rows[first:]
