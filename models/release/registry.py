"""The registry: the releases and policies on disk, and the one pointer to what is in force.

    REGISTRY/<release id>/                   a release
    REGISTRY/policies/<digest>.json          a policy, as canonical JSON
    REGISTRY/entries/<id>.json               when and where it was made; not part of the release
    REGISTRY/comparisons/<id>-<other>.json   how it did on the same cases as another one
    REGISTRY/pointer.json                    the release and policy in force, and those before

The pointer is replaced in one rename under a lock, so a reader sees the old pair or the new one.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from models.canonical import NotCanonical, decode_json
from models.errors import BadInput, BadRelease, ThroughlineError
from models.policy.schema import BUILT_IN, Policy
from models.release.gate import Comparison
from models.release.verified_files import ReleaseFiles

POINTER = "pointer.json"
ENTRIES = "entries"
COMPARISONS = "comparisons"
POLICIES = "policies"
HISTORY = 20  # pairs that rollback can reach

_ID = re.compile("[0-9a-f]{64}")
T = TypeVar("T")


class NothingToRollBack(ThroughlineError):
    """No release was in force before this one."""


class NothingInForce(ThroughlineError):
    """A policy cannot be in force before a release is."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a release beside its content; `created` in microseconds."""

    release: str
    created: int
    host: str = ""
    seconds: float = 0.0
    peak_memory_mib: float = 0.0


class Pair(msgspec.Struct, frozen=True):
    """A release and the policy that decide together; `since` in microseconds.

    `override` is why it was put in force although the gate held it; "" where the gate did not.
    """

    release: str
    policy: str
    since: int
    override: str = ""


class Pointer(msgspec.Struct, frozen=True):
    """The pair in force, and the pairs before, latest first."""

    in_force: Pair | None = None
    before: tuple[Pair, ...] = ()


class Registry:
    """A directory of releases. Reading needs no lock; `add`, `promote` and `rollback` take one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def pointer(self) -> Pointer:
        """Return what is in force; an empty pointer when nothing was promoted.

        Raises `BadRelease` when it cannot be read.
        """
        path = self.directory / POINTER
        if not path.exists():
            return Pointer()
        pointer = _read(path, Pointer)
        pairs = (*((pointer.in_force,) if pointer.in_force else ()), *pointer.before)
        if not all(_ID.fullmatch(pair.release) for pair in pairs):
            raise BadRelease(f"{POINTER}: names what is no release's id")
        return pointer

    def path(self, release_id: str) -> Path:
        """Return the directory of a release, whether or not it exists."""
        return self.directory / release_id

    def resolve(self, prefix: str) -> str:
        """Return the one release id that starts with `prefix` (8 digits or more).

        Raises `BadInput` when none or several do.
        """
        if len(prefix) < 8 or not set(prefix) <= set("0123456789abcdef"):
            raise BadInput("release_id", "want 8 or more hex digits of a release's id")
        found = [entry.release for entry in self.entries() if entry.release.startswith(prefix)]
        if len(found) != 1:
            raise BadInput("release_id", "not in the registry" if not found else "names several")
        return found[0]

    def entries(self) -> list[Entry]:
        """Return the entries of all releases, latest first.

        A release whose entry cannot be read is still there, as the oldest: one bad file must not
        hide the others.
        """
        paths = (self.directory / ENTRIES).glob("*.json")
        found = [_entry(path) for path in paths if _ID.fullmatch(path.stem)]
        return sorted(found, key=lambda entry: (-entry.created, entry.release))

    def add(self, entry: Entry) -> None:
        """Enter a release whose directory stands in the registry; the first entry stays."""
        (self.directory / ENTRIES).mkdir(parents=True, exist_ok=True)
        path = self.directory / ENTRIES / f"{entry.release}.json"
        if not path.exists():
            _replace(path, msgspec.json.encode(entry))

    def compare(self, comparison: Comparison) -> None:
        """Keep how a release did on the same cases as another one; the last word counts."""
        (self.directory / COMPARISONS).mkdir(parents=True, exist_ok=True)
        path = self._comparison(comparison.release, comparison.other)
        _replace(path, msgspec.json.encode(comparison))

    def compared(self, release_id: str, other: str) -> Comparison | None:
        """Return how a release did against another one, or None where they were not compared.

        Raises `BadRelease` for a file that cannot be read.
        """
        path = self._comparison(release_id, other)
        return _read(path, Comparison) if path.exists() else None

    def policy(self, digest: str) -> Policy:
        """Return the policy of that digest; raises `BadRelease` where it cannot be read."""
        if digest == BUILT_IN.digest:
            return BUILT_IN
        name = f"{digest}.json"
        if not _ID.fullmatch(digest) or not (self.directory / POLICIES / name).is_file():
            raise BadRelease(f"{POLICIES}: not in the registry: {digest[:64]!a}")
        with ReleaseFiles(self.directory / POLICIES) as files:
            text = files.small(name).removesuffix(b"\n")
        if hashlib.sha256(text).hexdigest() != digest:
            raise BadRelease(f"{name}: digest mismatch")
        try:
            return decode_json(text, Policy)
        except NotCanonical as error:
            raise BadRelease(f"{name}: {error}") from None

    def publish(self, policy: Policy, now: int) -> Pointer:
        """Put a policy in force beside the release that is; return the new pointer.

        Raises `NothingInForce` while there is no release.
        """
        (self.directory / POLICIES).mkdir(parents=True, exist_ok=True)
        path = self.directory / POLICIES / f"{policy.digest}.json"
        if not path.exists():
            _replace(path, policy.canonical)
        with self._locked():
            present = self.pointer().in_force
            if present is None:
                raise NothingInForce("policy: no release in force; promote one first")
            return self._promote(Pair(present.release, policy.digest, now, present.override))

    def promote(self, release_id: str, now: int, override: str = "") -> Pointer:
        """Put a release in force that was verified, tried and checked; return the new pointer.

        `override` is what `models.release.promotion.checked` returned. The policy in force stays,
        the built-in one where there is none.
        """
        with self._locked():
            present = self.pointer().in_force
            policy = present.policy if present else BUILT_IN.digest
            return self._promote(Pair(release_id, policy, now, override))

    def rollback(self, now: int) -> Pointer:
        """Put the pair in force again that was before; raises `NothingToRollBack`."""
        with self._locked():
            pointer = self.pointer()
            if not pointer.before:
                raise NothingToRollBack("release: no previous release")
            previous, *rest = pointer.before
            pair = Pair(previous.release, previous.policy, now, previous.override)
            return self._point(Pointer(pair, tuple(rest)))

    def _promote(self, pair: Pair) -> Pointer:
        pointer = self.pointer()
        present = pointer.in_force
        if present and (present.release, present.policy) == (pair.release, pair.policy):
            return pointer
        before = (present, *pointer.before)[:HISTORY] if present else ()
        return self._point(Pointer(pair, before))

    def _comparison(self, release_id: str, other: str) -> Path:
        return self.directory / COMPARISONS / f"{release_id}-{other}.json"

    def _point(self, pointer: Pointer) -> Pointer:
        _replace(self.directory / POINTER, msgspec.json.encode(pointer))
        return pointer

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _entry(path: Path) -> Entry:
    try:
        entry = _read(path, Entry)
    except BadRelease:
        entry = None
    if entry is None or entry.release != path.stem:
        return Entry(release=path.stem, created=0)
    return entry


def _read(path: Path, type_: type[T]) -> T:
    with ReleaseFiles(path.parent) as files:
        text = files.small(path.name)
    try:
        return decode_json(text, type_)
    except NotCanonical as error:
        raise BadRelease(f"{path.name}: {error}") from None


def _replace(path: Path, text: bytes) -> None:
    scratch = path.with_name(f".{path.name}-{os.getpid()}")
    with scratch.open("wb") as file:
        file.write(text + b"\n")
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
