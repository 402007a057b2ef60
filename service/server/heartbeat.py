"""Whether this server answers, as its parent is told every second.

That a thread runs says little. The server calls itself through gRPC, by a socket that only its own
user can reach, and looks whether the calls that decide move on: any that is inside ends some time.
"""

import tempfile
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc

from service.server.server import ALIVE, Server

BEAT_SECONDS = 1.0
ANSWER_SECONDS = 3.0  # that a call to itself may take


class Heartbeat:
    """Calls `tell` as long as a server answers; `beat` is to be called every `BEAT_SECONDS`."""

    def __init__(self, server: Server, tell: Callable[[], None]) -> None:
        """Bind the socket: before the server starts."""
        self._server = server
        self._tell = tell
        self._directory = tempfile.TemporaryDirectory(  # of mode 0700
            prefix="throughline-", ignore_cleanup_errors=True
        )
        address = f"unix:{self._directory.name}/self"
        server.bind_also(address)
        self._channel = grpc.insecure_channel(address)
        self._ask: Any = self._channel.unary_unary(ALIVE)
        self._ended = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()
        self._directory.cleanup()

    def beat(self) -> None:
        """Tell that the server answers, if it does."""
        deciding = self._server.deciding
        ended, self._ended = self._ended, deciding.ended
        if deciding.inside and deciding.ended == ended:
            return
        try:
            self._ask(b"", timeout=ANSWER_SECONDS)
        except grpc.RpcError:
            return
        self._tell()
