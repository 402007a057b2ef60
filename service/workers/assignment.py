"""What a parent and its worker say to each other over their socket.

The parent says one line of JSON, the assignment; the worker, once it serves, DECIDING or SERVING,
and then ALIVE every second in which it answers; and LEAVING, when a signal has told it to end.
"""

from typing import Any, NamedTuple

import msgspec

from service.config.settings import Settings
from service.server.shared_by_workers import SharedByWorkers

DECIDING, SERVING = b"deciding\n", b"serving\n"  # by a release, or without one
ALIVE, LEAVING = b"alive\n", b"leaving\n"
EXIT_SECONDS = 5.0  # beyond the drain, for stores to be closed


class Assignment(NamedTuple):
    """What a parent tells a worker."""

    number: int
    shared: SharedByWorkers
    settings: dict[str, Any]


def encode_assignment(number: int, shared: SharedByWorkers, settings: Settings) -> bytes:
    """Return the line that tells a worker what to do: all settings as they hold, the key too."""
    held = settings.model_dump(mode="json") | {"key": settings.key.get_secret_value()}
    return msgspec.json.encode(Assignment(number, shared, held)) + b"\n"


def read_assignment(line: bytes) -> Assignment:
    """Return what a parent has told."""
    return msgspec.json.decode(line, type=Assignment)
