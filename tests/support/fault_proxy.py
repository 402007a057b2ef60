"""A TCP proxy in front of a real Redis that can be told to fail, in this process, on loopback."""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import hiredis

from tests.support.waiting import PATIENCE

PIECE = 65_536  # bytes
_RESET = struct.pack("ii", 1, 0)  # linger for no time: a close sends RST


@dataclass(frozen=True)
class Fault:
    """What is wrong with the connections; nothing by default.

    `delay` is in seconds for each piece of a reply; `rate` lets through so many bytes of reply a
    second; `lose` drops replies; `deaf` drops requests; `reset` resets every connection there is
    and every new one; `flip` is the share of bytes of replies that are replaced by chance;
    `answer` is what every command gets instead of reaching Redis.
    """

    delay: float = 0.0
    rate: float = 0.0
    lose: bool = False
    deaf: bool = False
    reset: bool = False
    flip: float = 0.0
    answer: bytes = b""


HEALTHY = Fault()


class FaultProxy:
    """Passes connections on to `target` (a port), as its fault lets it."""

    def __init__(self, target: int, seed: int = 1) -> None:
        self.target = target
        self.port = 0
        self.connections = 0
        self._fault = HEALTHY
        self._chance = random.Random(seed)
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False

    def set(self, fault: Fault) -> None:
        """Change the fault, for connections that are open too."""
        done = threading.Event()

        def change() -> None:
            self._fault = fault
            if fault.reset:
                for writer in list(self._open):
                    _abort(writer)
            done.set()

        self._loop.call_soon_threadsafe(change)
        assert done.wait(PATIENCE)

    async def run(self, ready: threading.Event, stop: asyncio.Event) -> None:
        """Accept connections until `stop`."""
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        self._ended = True
        server.close()
        # Not cancelled: asyncio's own callback of such a task complains.
        for writer in list(self._open):
            _abort(writer)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # So that every connection is let go of before its loop is.
        await asyncio.sleep(0.05)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._fault.reset:
            _abort(writer)
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            # Nobody is there; in these faults that is not to be seen from outside.
            writer.close()
            return
        if self._ended:
            _abort(writer)
            _abort(up_writer)
            return
        self._open.add(writer)
        pumps = [
            asyncio.ensure_future(self._requests(reader, writer, up_writer)),
            asyncio.ensure_future(self._replies(up_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._open.discard(writer)
            writer.close()
            up_writer.close()

    async def _requests(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, on: asyncio.StreamWriter
    ) -> None:
        commands = hiredis.Reader()
        with suppress(OSError):
            while data := await reader.read(PIECE):
                fault = self._fault
                if fault.answer:
                    commands.feed(data)
                    while commands.gets() is not False and not back.is_closing():
                        back.write(fault.answer)
                elif not fault.deaf:
                    on.write(data)

    async def _replies(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(PIECE):
                fault = self._fault
                if fault.lose:
                    continue
                if fault.delay:
                    await asyncio.sleep(fault.delay)
                if fault.flip:
                    data = self._flipped(data, fault.flip)
                if fault.rate:
                    await self._trickle(data, back)
                else:
                    back.write(data)

    async def _trickle(self, data: bytes, back: asyncio.StreamWriter) -> None:
        for position in range(len(data)):
            rate = self._fault.rate
            if not rate:
                back.write(data[position:])
                return
            await asyncio.sleep(1 / rate)
            back.write(data[position : position + 1])

    def _flipped(self, data: bytes, share: float) -> bytes:
        changed = bytearray(data)
        for position in range(len(changed)):
            if self._chance.random() < share:
                changed[position] = self._chance.randrange(256)
        return bytes(changed)

    @contextmanager
    def running(self) -> Iterator["FaultProxy"]:
        """Run in a thread; `port` is where it listens."""
        ready, stop = threading.Event(), asyncio.Event()

        def work() -> None:
            self._loop.run_until_complete(self.run(ready, stop))
            self._loop.close()

        thread = threading.Thread(target=work, name="fault-proxy", daemon=True)
        thread.start()
        assert ready.wait(PATIENCE)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(stop.set)
            thread.join(PATIENCE)


def _abort(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
