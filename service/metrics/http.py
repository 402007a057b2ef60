"""A page over HTTP for scrapers: one thread, bounded connections, bounded time, bounded work.

The server of the metrics library starts a thread for each connection and lets it stay. Here all
connections share one thread; a scraper that sends or reads slowly holds up nobody, and is dropped
for a newer one where there are many. However often the page is asked for, making it takes a tenth
of the time at most: who asks meanwhile waits for the next one, and all of them get that.
"""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from typing import Self

from service.config.logs import log_fault

CONNECTIONS = 64  # beyond them the one that was opened first is dropped
SECONDS = 10.0  # that a connection may stay open
HEAD_BYTES = 16 * 1024
SHARE = 0.1  # of the time, that making pages may take


class HttpPage:
    """Serves one page at every path, one request a connection; `port` is where."""

    def __init__(self, host: str, port: int, kind: str, page: Callable[[], bytes]) -> None:
        """Take the port; raises `OSError` when somebody has it. `kind` is the page's type."""
        self._kind = kind
        self._page = page
        self._waiting: asyncio.Future[bytes | None] | None = None  # for the next page
        self._next = 0.0  # when the next page may be made
        self._open: dict[asyncio.Task[None], None] = {}  # the first opened first
        self._loop = asyncio.new_event_loop()
        try:
            self._server = self._loop.run_until_complete(
                asyncio.start_server(self._connected, host, port, limit=HEAD_BYTES)
            )
        except BaseException:
            self._loop.close()
            raise
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name="metrics", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await asyncio.sleep(0)  # in which aborted connections are closed

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = None
        if len(self._open) > CONNECTIONS:
            next(iter(self._open)).cancel()
        try:
            async with asyncio.timeout(SECONDS):
                await self._answer(reader, writer)
                writer.close()
                await writer.wait_closed()  # all of it is sent
        except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError):
            pass  # left, was slow, or does not speak HTTP
        except asyncio.CancelledError:
            pass  # dropped; nobody awaits this task
        finally:
            self._open.pop(task, None)
            writer.transport.abort()  # nothing, where it is closed

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, body = head.partition(b" ")[0], b""
        if method not in (b"GET", b"HEAD"):
            status = "405 Method Not Allowed"
        elif (made := await asyncio.shield(self._next_page())) is None:
            status = "500 Internal Server Error"
        else:
            status, body = "200 OK", made
        answer = (
            f"HTTP/1.1 {status}\r\nContent-Type: {self._kind}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(answer.encode() + (b"" if method == b"HEAD" else body))
        await writer.drain()

    def _next_page(self) -> "asyncio.Future[bytes | None]":
        """Return the next page that is made: the same one for all who ask for it until then."""
        if self._waiting is None:
            self._waiting = self._loop.create_future()
            self._loop.call_later(max(0.0, self._next - time.monotonic()), self._make)
        return self._waiting

    def _make(self) -> None:
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        begun = time.monotonic()
        try:
            waiting.set_result(self._page())
        except Exception as error:
            log_fault(error, secrets.token_hex(8), "metrics")
            waiting.set_result(None)
        ended = time.monotonic()
        self._next = ended + (ended - begun) * (1 / SHARE - 1)
