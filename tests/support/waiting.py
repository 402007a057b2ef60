"""How long a test waits for what must happen: far longer than it takes, as a machine may be busy.

A test of how fast something is says its own limit instead.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import grpc

T = TypeVar("T")

PATIENCE = 240.0  # seconds
# Overtaken too often, or not started: the store was away, the server ended.
_AGAIN = (grpc.StatusCode.ABORTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def asked_again(call: Callable[[], T]) -> T:
    """Return what a call answers; it is made again for as long as it says that it may be."""
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() not in _AGAIN:
                raise


def eventually(holds: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Wait until something holds; False if it does not within that time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
