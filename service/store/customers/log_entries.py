"""The entries of the log: each event, link and unlink once, with its time of arrival."""

from typing import NamedTuple

import msgspec

from models.codec import EVER, decode, encode
from models.domain.events import Event, content_hash
from models.domain.profile import Link, Unlink
from service.store.database.backend import LogLine


class LogEntry(NamedTuple):
    """An event, a link or an unlink; `arrival` in microseconds."""

    arrival: int
    statement: Event | Link | Unlink


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    arrival: int
    event: Event | None = None
    link: Link | None = None
    unlink: Unlink | None = None


def event_line(event: Event, arrival: int) -> LogLine:
    """Return the line that logs an event."""
    blob = encode(_Stored(arrival, event=event))
    return LogLine(arrival, event.identifier, event.event_id, content_hash(event), blob)


def link_line(link: Link, arrival: int) -> LogLine:
    """Return the line that logs a link."""
    return LogLine(arrival, b"", "", 0, encode(_Stored(arrival, link=link)))


def unlink_line(unlink: Unlink, arrival: int) -> LogLine:
    """Return the line that logs an unlink."""
    return LogLine(arrival, b"", "", 0, encode(_Stored(arrival, unlink=unlink)))


def decode_entry(blob: bytes) -> LogEntry:
    """Return what a line of the log says."""
    stored = decode(blob, _Stored, EVER)
    statement = stored.event or stored.link or stored.unlink
    if statement is None:
        raise ValueError("log: an entry that says nothing")
    return LogEntry(stored.arrival, statement)
