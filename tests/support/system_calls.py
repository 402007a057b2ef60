"""Reads what strace saw of a server: requests, replies and syncs, in the order they happened.

Requests and replies are matched by their bytes: the frames of HTTP/2 are put together again from
what each connection received and sent, and carry the number of their stream.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

CALLS = "fdatasync,fsync,pwrite64,recvmsg,sendmsg"
# Everything in hexadecimal, and no page or message cut; -D: the server is the child, not strace.
TRACER = (
    *("strace", "-D", "-f", "-yy", "-xx", "-s", "65536", "--seccomp-bpf"),
    *("-e", f"trace={CALLS}", "-o"),
)
SYNCS = ("fdatasync", "fsync")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS = 0, 1

_LINE = re.compile(r"(\d+) +(.*)")
_CALL = re.compile(r"(\w+)\(\d+<(.*?)>(.*)")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)")
_BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


class Seen(NamedTuple):
    """One system call on a file or a connection: when it began and ended, as lines of the trace."""

    began: int
    ended: int
    name: str
    what: str
    data: bytes


class Frame(NamedTuple):
    """One frame of HTTP/2; `line` is where its first byte went by."""

    line: int
    kind: int
    stream: int
    payload: bytes


@dataclass
class Stream:
    """The bytes of one direction of a connection, with the line that each piece went by at."""

    data: bytearray = field(default_factory=bytearray)
    pieces: list[tuple[int, int]] = field(default_factory=list)  # first byte, line

    def add(self, line: int, data: bytes) -> None:
        """Append a piece."""
        self.pieces.append((len(self.data), line))
        self.data += data

    def frames(self) -> Iterator[Frame]:
        """Yield the whole frames."""
        position = len(PREFACE) if self.data.startswith(PREFACE) else 0
        while position + 9 <= len(self.data):
            size = int.from_bytes(self.data[position : position + 3], "big")
            kind = self.data[position + 3]
            stream = int.from_bytes(self.data[position + 5 : position + 9], "big") & 0x7FFFFFFF
            payload = bytes(self.data[position + 9 : position + 9 + size])
            line = max(line for start, line in self.pieces if start <= position)
            yield Frame(line, kind, stream, payload)
            position += 9 + size


def read_trace(path: Path) -> list[Seen]:
    """Return the system calls of a trace that succeeded on a file or a connection."""
    begun: dict[str, tuple[int, str, str, str]] = {}
    found = []
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines()):
        split = _LINE.fullmatch(line)
        if split is None:
            continue
        process, said = split.groups()
        if resumed := _RESUMED.match(said):
            if process not in begun:
                continue
            began, name, what, before = begun.pop(process)
            rest = before + resumed[2]
        elif call := _CALL.match(said):
            began, name, what, rest = number, call[1], _text(call[2]), call[3]
            if said.endswith("<unfinished ...>"):
                begun[process] = (began, name, what, rest)
                continue
        else:
            continue
        result = rest.rpartition(" = ")[2]
        if result[:1].isdigit():
            data = b"".join(bytes.fromhex(part.replace("\\x", "")) for part in _BYTES.findall(rest))
            found.append(Seen(began, number, name, what, data))
    return found


class Order(NamedTuple):
    """The lines at which an event arrived, its page was written, and its reply began to go out."""

    arrived: int
    written: int
    replied: int


def order_of(calls: list[Seen], mark: bytes, log: str) -> Order:
    """Return the order for the event whose request holds `mark`; `log` ends the file's name."""
    received: dict[str, Stream] = {}
    sent: dict[str, Stream] = {}
    for call in calls:
        if call.what.startswith("TCP"):
            # A reply counts from the moment its call begins, a request from when its call ended.
            if call.name == "recvmsg":
                received.setdefault(call.what, Stream()).add(call.ended, call.data)
            elif call.name == "sendmsg":
                sent.setdefault(call.what, Stream()).add(call.began, call.data)
    (connection, request), *more = [
        (connection, frame)
        for connection, stream in received.items()
        for frame in stream.frames()
        if frame.kind == DATA and mark in frame.payload
    ]
    assert not more
    replied = min(
        frame.line
        for frame in sent[connection].frames()
        if frame.stream == request.stream and frame.kind in (DATA, HEADERS)
    )
    written = min(
        call.ended
        for call in calls
        if call.name == "pwrite64" and call.what.endswith(log) and mark in call.data
    )
    return Order(request.line, written, replied)


def _text(what: str) -> str:
    """Undo the hexadecimal of a path."""
    if what.startswith("\\x"):
        return bytes.fromhex(what.replace("\\x", "")).decode()
    return what
