"""The chain of what a process stored: each link names records with their MACs, and the link before.

A link is written some 50 ms after the records that it names, by the thread that stores them. So a
record that is taken away is missed by the link that names it, and a link by the one after it. What
no link can tell: the newest links of a process, when they are taken away with their records; keep
what `verify` reports of the heads elsewhere. A process that is killed leaves its last records in
no link; they are sealed all the same.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from models.errors import Unreadable
from service.store.database.backend import KEEP_DECISIONS, Backend
from service.store.records.sealing import MAC_BYTES, Seal, is_erased, mac_of

MEMBERS = 1_000  # records in one link at most
_MICROSECONDS = 1_000_000
# A record may be let go of by another clock, and a little before the link that names it.
_MARGIN = 3_600 * _MICROSECONDS


def wall_clock() -> int:
    """Return the time in microseconds, whatever clock decisions go by."""
    return time.time_ns() // 1000


class ChainMember(NamedTuple):
    """A record in a link: its id, and the MAC of its seal."""

    id: str
    mac: bytes


class _Link(msgspec.Struct, frozen=True, array_like=True):
    """`number` counts the links of one `writer` from 0; `before` is the MAC of the one before.

    `time` is when it was made, `time_before` the same of the link before (microseconds, 0: none):
    by the real clock, as is how long a database keeps anything, whatever clock decisions go by.
    """

    writer: bytes
    number: int
    time: int
    time_before: int
    before: bytes
    members: tuple[ChainMember, ...]


class Chain:
    """Writes the links of one process; used by one thread at a time."""

    def __init__(self, backend: Backend, seal: Seal, clock: Callable[[], int] = wall_clock) -> None:
        """`clock` gives microseconds."""
        self._backend = backend
        self._seal = seal
        self._clock = clock
        self._writer = secrets.token_bytes(8)
        self._number = 0
        self._time = 0
        self._before = b""
        self._pending: tuple[bytes, int, int] | None = None

    def append(self, members: Sequence[ChainMember]) -> int:
        """Write a link that names the first `MEMBERS` of `members`; return how many it names.

        Raises `StoreUnavailable`: call again, with more at the end perhaps. A link of unknown
        outcome is then written again as it was, and no other.
        """
        if self._pending is None:
            named = tuple(members[:MEMBERS])
            link = _Link(
                writer=self._writer,
                number=self._number,
                time=max(self._time, self._clock()),
                time_before=self._time,
                before=self._before,
                members=named,
            )
            payload = msgspec.msgpack.encode(link)
            self._pending = (self._seal.mac(payload) + payload, len(named), link.time)
        blob, count, self._time = self._pending
        self._backend.append_chain(blob)
        self._number += 1
        self._before = blob[:MAC_BYTES]
        self._pending = None
        return count


class ChainFault(NamedTuple):
    """What is wrong with a decision, or with a chain."""

    about: str
    reason: str


class ChainHead(NamedTuple):
    """The newest link of one chain; writer and MAC in hex."""

    writer: str
    number: int
    mac: str


class VerificationReport(NamedTuple):
    """What a verification found.

    `records` are sealed as they were stored; of these `erased` have no content any more, and
    `unlinked` are in no link.
    """

    records: int
    erased: int
    unlinked: int
    heads: tuple[ChainHead, ...]
    faults: tuple[ChainFault, ...]


def verify_decisions(
    seal: Seal, links: Iterable[bytes], records: Iterable[tuple[str, bytes]], now: int
) -> VerificationReport:
    """Check the seal of every record, and that whatever a link names is there.

    `links` are read before `records`, so that what is stored meanwhile is not missed. Missing is
    no fault of what the database may have let go of by `now` (microseconds).
    """
    oldest = now - KEEP_DECISIONS * _MICROSECONDS + _MARGIN
    chains, faults = _read(seal, links)
    expected: dict[str, tuple[bytes, int]] = {}
    heads = []
    for writer, chain in sorted(chains.items()):
        faults.extend(_gaps(chain, oldest))
        head = max(chain)
        heads.append(ChainHead(writer.hex(), head, chain[head].mac.hex()))
        for one in chain.values():
            for name, mac in one.link.members:
                # A batch of unknown outcome is stored, and named, again: the same records.
                if expected.setdefault(name, (mac, one.link.time))[0] != mac:
                    faults.append(ChainFault(name, "named twice, with other content"))
    count = erased = unlinked = 0
    for name, blob in records:
        mac, _ = expected.pop(name, (b"", 0))  # none is empty
        try:
            seal.check(name, blob)
        except Unreadable as error:
            faults.append(ChainFault(name, str(error)))
            continue
        count += 1
        erased += is_erased(blob)
        unlinked += not mac
        if mac not in (b"", mac_of(blob)):
            faults.append(ChainFault(name, "not the record that its chain names"))
    faults.extend(ChainFault(name, "missing") for name, (_, at) in expected.items() if at > oldest)
    return VerificationReport(count, erased, unlinked, tuple(heads), tuple(faults))


class _Stored(NamedTuple):
    mac: bytes
    link: _Link


def _read(
    seal: Seal, blobs: Iterable[bytes]
) -> tuple[dict[bytes, dict[int, _Stored]], list[ChainFault]]:
    """Return the links by writer and number, and what is wrong with single ones."""
    chains: dict[bytes, dict[int, _Stored]] = {}
    faults = []
    for blob in blobs:
        mac, payload = blob[:MAC_BYTES], blob[MAC_BYTES:]
        if not hmac.compare_digest(mac, seal.mac(payload)):
            faults.append(ChainFault("a link", "not as it was stored"))
            continue
        link = msgspec.msgpack.decode(payload, type=_Link)
        # One of unknown outcome was written again: the same bytes.
        first = chains.setdefault(link.writer, {}).setdefault(link.number, _Stored(mac, link))
        if first.mac != mac:
            faults.append(ChainFault(_name(link), "twice, with other content"))
    return chains, faults


def _gaps(chain: Mapping[int, _Stored], oldest: int) -> Iterator[ChainFault]:
    """Yield what is wrong with the order of one chain."""
    for number, (_, link) in chain.items():
        before = chain.get(number - 1)
        if before is None:
            gone = number > 0 and number == min(chain) and link.time_before <= oldest
            if number > 0 and not gone:
                yield ChainFault(_name(link), "the link before it is missing")
        elif before.mac != link.before:
            yield ChainFault(_name(link), "not on the link before it")


def _name(link: _Link) -> str:
    return f"chain {link.writer.hex()}, link {link.number}"
