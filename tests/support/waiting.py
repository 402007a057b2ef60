"""How long a test waits for what must happen: far longer than it takes, as a machine may be busy.

A test of how fast something is says its own limit instead.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

import grpc

T = TypeVar("T")

PATIENCE = 240.0  # seconds
# Overtaken too often, or not started: the store was away, the server ended.
_AGAIN = (grpc.StatusCode.ABORTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


class Pool(ThreadPoolExecutor):
    """Threads whose end nobody waits for once the test has failed: it may never come.

    A test that takes too long is interrupted, but only once: its next wait would last for ever.
    """

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)


def joined(*threads: threading.Thread) -> None:
    """Wait until these threads have ended."""
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), thread.name


def asked_again(call: Callable[[], T]) -> T:
    """Return what a call answers; for as long as it says that it may be, it is made again."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() not in _AGAIN or time.monotonic() > end:
                raise


def eventually(holds: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Wait until something holds; False if it does not within that time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
