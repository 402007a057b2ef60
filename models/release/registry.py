"""The registry: the releases and policies on disk, and the one pointer to what is in force.

    REGISTRY/<release id>/                   a release
    REGISTRY/policies/<digest>.json          a policy, as canonical JSON
    REGISTRY/entries/<id>.json               when and where it was made; not part of the release
    REGISTRY/comparisons/<id>-<other>.json   how it did on the same cases as another one
    REGISTRY/pointer.json                    the release and policy in force, and those before each

The pointer is replaced in one rename under a lock, so a reader sees the old pair or the new one. So
does who starts after a power cut: what it names is on disk before it is. A change of the release
leaves the policy alone, and the other way round.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from models.canonical import NotCanonical, decode_json
from models.errors import BadInput, BadRelease, Conflict
from models.policy.schema import BUILT_IN, Policy
from models.release.durable_files import make_directory, replace_durably
from models.release.gate import Comparison
from models.release.histories import (
    POINTER,
    HistoryEntry,
    Pointer,
    decode_pointer,
    encode_pointer,
)
from models.release.verified_files import ReleaseFiles

ENTRIES = "entries"
COMPARISONS = "comparisons"
POLICIES = "policies"
DIGITS = 8  # of an id or a digest that a prefix must have

_ID = re.compile("[0-9a-f]{64}")
T = TypeVar("T")


class BadPolicyFile(BadRelease):
    """A policy of the registry that must not be used; the text starts with its file."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a release beside its content; `created` in microseconds."""

    release: str
    created: int
    host: str = ""
    seconds: float = 0.0
    peak_memory_mib: float = 0.0


class PublishedPolicy(NamedTuple):
    """A policy of a registry; `published` first, in microseconds, 0 for the built-in one."""

    digest: str
    published: int


class Registry:
    """A directory of releases and policies. Reading needs no lock; what moves the pointer does."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def pointer(self) -> Pointer:
        """Return what is in force; an empty pointer where nothing was promoted or published.

        Raises `BadRelease` when it cannot be read, `NewerPointer` for that of a later version.
        """
        if not (self.directory / POINTER).exists():
            return Pointer()
        with ReleaseFiles(self.directory) as files:
            return decode_pointer(files.small(POINTER))

    def path(self, release_id: str) -> Path:
        """Return the directory of a release, whether or not it exists."""
        return self.directory / release_id

    def resolve(self, prefix: str) -> str:
        """Return the one release id that starts with `prefix` (8 digits or more).

        Raises `BadInput` when none or several do.
        """
        if not _is_prefix(prefix):
            raise BadInput("release_id", "want 8 or more hex digits of a release's id")
        found = [entry.release for entry in self.entries() if entry.release.startswith(prefix)]
        if len(found) != 1:
            raise BadInput("release_id", "not in the registry" if not found else "names several")
        return found[0]

    def resolve_policy(self, prefix: str) -> str:
        """Return the one policy's digest that starts with `prefix` (8 digits or more).

        Raises `BadInput` when none or several do.
        """
        if not _is_prefix(prefix):
            raise BadInput("digest", "want 8 or more hex digits of a policy's digest")
        found = [one.digest for one in self.policies() if one.digest.startswith(prefix)]
        if len(found) != 1:
            raise BadInput("digest", "not in the registry" if not found else "names several")
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
        make_directory(self.directory / ENTRIES)
        path = self.directory / ENTRIES / f"{entry.release}.json"
        if not path.exists():
            replace_durably(path, msgspec.json.encode(entry) + b"\n")

    def compare(self, comparison: Comparison) -> None:
        """Keep how a release did on the same cases as another one; the last word counts."""
        make_directory(self.directory / COMPARISONS)
        path = self._comparison(comparison.release, comparison.other)
        replace_durably(path, msgspec.json.encode(comparison) + b"\n")

    def compared(self, release_id: str, other: str) -> Comparison | None:
        """Return how a release did against another one, or None where they were not compared.

        Raises `BadRelease` for a file that cannot be read.
        """
        path = self._comparison(release_id, other)
        return _read(path, Comparison) if path.exists() else None

    def policies(self) -> list[PublishedPolicy]:
        """Return the policies of the registry, latest first; the built-in one is the last."""
        found = [
            PublishedPolicy(path.stem, path.stat().st_mtime_ns // 1000)
            for path in (self.directory / POLICIES).glob("*.json")
            if _ID.fullmatch(path.stem) and path.stem != BUILT_IN.digest
        ]
        found.sort(key=lambda one: (-one.published, one.digest))
        return [*found, PublishedPolicy(BUILT_IN.digest, 0)]

    def policy_path(self, digest: str) -> Path:
        """Return the file of a policy, whether or not it exists; the built-in one has none."""
        return self.directory / POLICIES / f"{digest}.json"

    def policy(self, digest: str) -> Policy:
        """Return the policy of that digest; raises `BadPolicyFile` where it cannot be read."""
        if digest == BUILT_IN.digest:
            return BUILT_IN
        name = f"{digest}.json"
        if not _ID.fullmatch(digest) or not (self.directory / POLICIES / name).is_file():
            raise BadPolicyFile(f"{POLICIES}: not in the registry: {digest[:64]!a}")
        try:
            with ReleaseFiles(self.directory / POLICIES) as files:
                text = files.small(name).removesuffix(b"\n")
        except BadRelease as error:
            raise BadPolicyFile(str(error)) from None
        if hashlib.sha256(text).hexdigest() != digest:
            raise BadPolicyFile(f"{name}: digest mismatch")
        try:
            return decode_json(text, Policy)
        except NotCanonical as error:
            raise BadPolicyFile(f"{name}: {error}") from None

    def publish(self, policy: Policy, now: int) -> Pointer:
        """Put a policy in force; return the new pointer.

        Without a release it waits for the first one that is promoted. A damaged file of it is
        written anew.
        """
        self._keep(policy, now)
        with self._locked():
            pointer = self.pointer()
            policies = pointer.policies
            if pointer.policy == policy.digest:
                return pointer
            if policies.in_force is None:
                # What was in force unsaid is what a rollback comes back to.
                policies = policies.followed_by(HistoryEntry(BUILT_IN.digest, 0))
            after = policies.followed_by(HistoryEntry(policy.digest, now))
            return self._point(pointer, msgspec.structs.replace(pointer, policies=after))

    def rollback_policy(self, now: int, expected: str = "") -> Pointer:
        """Put the policy in force again that was before; return the new pointer.

        Raises `NothingToRollBack`, `BadPolicyFile` where it cannot be read, and `Conflict` where it
        is another one than `expected`.
        """
        with self._locked():
            pointer = self.pointer()
            after = pointer.policies.rolled_back(now, "policy")
            _check_expected(after.id, expected)
            self.policy(after.id)
            return self._point(pointer, msgspec.structs.replace(pointer, policies=after))

    def promote(self, release_id: str, now: int, override: str = "") -> Pointer:
        """Put a release in force that was verified, tried and checked; return the new pointer.

        `override` is what `models.release.promotion.override_needed` returned.
        """
        with self._locked():
            pointer = self.pointer()
            after = pointer.releases.followed_by(HistoryEntry(release_id, now, override))
            return self._point(pointer, msgspec.structs.replace(pointer, releases=after))

    def rollback(self, now: int, expected: str = "") -> Pointer:
        """Put the release in force again that was before; return the new pointer.

        Raises `NothingToRollBack`, and `Conflict` where it is another one than `expected`.
        """
        with self._locked():
            pointer = self.pointer()
            after = pointer.releases.rolled_back(now, "release")
            _check_expected(after.id, expected)
            return self._point(pointer, msgspec.structs.replace(pointer, releases=after))

    def _comparison(self, release_id: str, other: str) -> Path:
        return self.directory / COMPARISONS / f"{release_id}-{other}.json"

    def _keep(self, policy: Policy, now: int) -> None:
        try:
            self.policy(policy.digest)
        except BadPolicyFile:
            make_directory(self.directory / POLICIES)
            path = self.policy_path(policy.digest)
            replace_durably(path, policy.canonical + b"\n")
            os.utime(path, ns=(now * 1000, now * 1000))  # when it was published first

    def _point(self, before: Pointer, after: Pointer) -> Pointer:
        if after != before:
            replace_durably(self.directory / POINTER, encode_pointer(after) + b"\n")
        return after

    @contextmanager
    def _locked(self) -> Iterator[None]:
        make_directory(self.directory)
        with (self.directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_prefix(text: str) -> bool:
    return len(text) >= DIGITS and set(text) <= set("0123456789abcdef")


def _check_expected(found: str, expected: str) -> None:
    """Raise `Conflict` where somebody else moved the pointer since it was looked at."""
    if expected not in ("", found):
        raise Conflict("pointer: moved meanwhile; look again")


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
