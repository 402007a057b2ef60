"""What is in force, the release and the policy, each with a history and a way back of its own.

The file names both in one, so that a reader sees one pair:

    {"format": 2,
     "in_force": {"release": ENTRY or null, "policy": ENTRY or null},
     "before": {"releases": [ENTRY, ...], "policies": [ENTRY, ...]}}

The format before, which says no number, had a list of pairs. A version that reads only that one
finds another thing than an id under `in_force.release`, and refuses the file: it never takes it for
a registry in which nothing is in force.
"""

import re
from collections.abc import Sequence

import msgspec

from models.canonical import NotCanonical, decode_json
from models.errors import BadRelease, ThroughlineError
from models.policy.schema import BUILT_IN

POINTER = "pointer.json"
FORMAT = 2
HISTORY = 20  # entries before the one in force: what a rollback can reach

_ID = re.compile("[0-9a-f]{64}")


class NewerPointer(BadRelease):
    """A pointer of a format that only a later version of Throughline can read."""


class NothingToRollBack(ThroughlineError):
    """Nothing was in force before what is."""


class HistoryEntry(msgspec.Struct, frozen=True):
    """A release by its id, or a policy by its digest, in force from `since` (microseconds) on.

    `override` is why a release was put in force although the gate held it; "" where it did not.
    """

    id: str
    since: int
    override: str = ""


class History(msgspec.Struct, frozen=True):
    """The entry in force, None for none, and those before it, latest first."""

    in_force: HistoryEntry | None = None
    before: tuple[HistoryEntry, ...] = ()

    @property
    def entries(self) -> tuple[HistoryEntry, ...]:
        """Return all entries, the one in force first."""
        return self.before if self.in_force is None else (self.in_force, *self.before)

    @property
    def id(self) -> str:
        """Return the id in force; "" for none."""
        return "" if self.in_force is None else self.in_force.id

    def followed_by(self, entry: HistoryEntry) -> "History":
        """Return the history with `entry` in force; the same where its id is already."""
        if entry.id == self.id:
            return self
        return History(entry, self.entries[:HISTORY])

    def rolled_back(self, now: int, what: str) -> "History":
        """Return the history with the entry before in force again, since `now`.

        Raises `NothingToRollBack`, which says `what` this is the history of.
        """
        if not self.before:
            raise NothingToRollBack(f"{what}: no previous {what}")
        previous, *rest = self.before
        return History(HistoryEntry(previous.id, now, previous.override), tuple(rest))


class Pointer(msgspec.Struct, frozen=True):
    """What is in force; while no policy was published, that is the built-in one."""

    releases: History = History()
    policies: History = History()

    @property
    def release(self) -> str:
        """Return the id of the release in force; "" for none."""
        return self.releases.id

    @property
    def policy(self) -> str:
        """Return the digest of the policy in force."""
        return self.policies.id or BUILT_IN.digest


def encode_pointer(pointer: Pointer) -> bytes:
    """Return the file of a pointer."""
    return msgspec.json.encode(
        _File(
            FORMAT,
            _InForce(pointer.releases.in_force, pointer.policies.in_force),
            _Before(pointer.releases.before, pointer.policies.before),
        )
    )


def decode_pointer(text: bytes) -> Pointer:
    """Return the pointer of a file, of this format or the one before.

    Raises `NewerPointer` for a later format, `BadRelease` for what cannot be read.
    """
    try:
        number = decode_json(text, _Numbered).format
        if number > FORMAT:
            raise NewerPointer(
                f"{POINTER}: format {number} not supported; max {FORMAT}; "
                "use the version of Throughline that wrote it, or a later one"
            )
        if number == FORMAT:
            file = decode_json(text, _File)
            pointer = Pointer(
                History(file.in_force.release, file.before.releases),
                History(file.in_force.policy, file.before.policies),
            )
        elif number == 1:
            pointer = _of_pairs(decode_json(text, _Pairs))
        else:
            raise BadRelease(f"{POINTER}: format {number} was never written")
    except NotCanonical as error:
        raise BadRelease(f"{POINTER}: {error}") from None
    for history, what in (
        (pointer.releases, "release's id"),
        (pointer.policies, "policy's digest"),
    ):
        if not all(_ID.fullmatch(entry.id) for entry in history.entries):
            raise BadRelease(f"{POINTER}: names what is no {what}")
    return pointer


class _Numbered(msgspec.Struct):
    format: int = 1


class _InForce(msgspec.Struct):
    release: HistoryEntry | None
    policy: HistoryEntry | None


class _Before(msgspec.Struct):
    releases: tuple[HistoryEntry, ...]
    policies: tuple[HistoryEntry, ...]


class _File(msgspec.Struct):
    format: int
    in_force: _InForce
    before: _Before


class _Pair(msgspec.Struct):
    release: str
    policy: str
    since: int
    override: str = ""


class _Pairs(msgspec.Struct):
    """The format before: each change of either half made a pair."""

    in_force: _Pair | None = None
    before: tuple[_Pair, ...] = ()


def _of_pairs(file: _Pairs) -> Pointer:
    pairs = (*((file.in_force,) if file.in_force else ()), *file.before)
    return Pointer(
        _collapsed([HistoryEntry(pair.release, pair.since, pair.override) for pair in pairs]),
        _collapsed([HistoryEntry(pair.policy, pair.since) for pair in pairs]),
    )


def _collapsed(entries: Sequence[HistoryEntry]) -> History:
    """Return entries, latest first, as a history: of successive ones of an id, the first counts."""
    kept = [
        entry
        for entry, earlier in zip(entries, [*entries[1:], None], strict=True)
        if earlier is None or earlier.id != entry.id
    ]
    return History(kept[0], tuple(kept[1:])) if kept else History()
