"""The release and policy in force: how a server takes them over, and how it changes them.

Of the pair in force either half may be refused. Then the other one is served all the same, beside
what serves already, or at a start beside the last one of its history that can be served.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import structlog

from models.errors import BadRelease
from models.policy.schema import BUILT_IN, Policy
from models.release.histories import History, HistoryEntry, Pointer
from models.release.promotion import override_needed
from models.release.registry import BadPolicyFile, Registry
from service.config.clock import Clock
from service.contract.errors import LoadInProgress
from service.decisions.serving import Serving
from service.decisions.serving_snapshot import (
    Refused,
    file_stamps,
    is_wanted,
)
from service.decisions.shared_index import ALONE, SharedIndexes
from service.store.store import Store

_log = structlog.get_logger(__name__)

Take = Callable[[HistoryEntry, Refused | None], Refused | None]


class Change(NamedTuple):
    """What is in force after a change, and the id of what was changed before it ("": none)."""

    pointer: Pointer
    previous: str


class ActiveRelease(Serving):
    """Follows the registry's pointer, and moves it: either half of the pair alone."""

    def __init__(
        self, store: Store, registry: Registry, clock: Clock, shared: SharedIndexes = ALONE
    ) -> None:
        super().__init__(store, registry, clock, shared)
        self._loading = threading.Lock()  # held from choosing a release until it serves
        self._publishing = threading.Lock()  # held from choosing a policy until it decides
        self.in_force = Pointer()  # as last seen

    def load_in_force(self) -> None:
        """Serve what is in force; of each half that cannot be served, the last one before it.

        Where no policy of the history can be read, nothing decides.
        """
        pointer = self._look()
        built_in = History(HistoryEntry(BUILT_IN.digest, 0))
        self._policy_known = False
        self._fall_back(
            pointer.policies if pointer.policies.entries else built_in, self._take_policy
        )
        if not pointer.release:
            _log.warning("no release in force", registry=str(self.registry.directory))
        elif self._policy_known:
            self._fall_back(pointer.releases, self._take_release)
        self._log_fallbacks()

    def _log_fallbacks(self) -> None:
        snapshot = self._snapshot
        if snapshot.refused_release is not None:
            in_force = snapshot.refused_release.entry.id
            _log.error("release fallback", in_force=in_force, serving=self.release_id or None)
        if snapshot.refused_policy is not None:
            in_force = snapshot.refused_policy.entry.id
            serving = snapshot.policy.digest if self._policy_known else None
            _log.error("policy fallback", in_force=in_force, serving=serving)

    def follow_release(self) -> None:
        """Take over the release that another process put in force, unless it was refused."""
        if self._release_to_take() is None or not self._loading.acquire(blocking=False):
            return
        try:
            entry = self._release_to_take()  # it may have been taken over meanwhile
            if entry is not None:
                self._take_release(entry)
        finally:
            self._loading.release()

    def follow_policy(self) -> None:
        """Take over the policy that another process put in force, unless it was refused."""
        if self._policy_to_take() is None:
            return
        with self._publishing:
            entry = self._policy_to_take()
            if entry is not None:
                self._take_policy(entry)

    def promote(self, prefix: str, override: str = "") -> Change:
        """Try, load and put in force the release that `prefix` names; the policy stays.

        Raises `BadInput` for a prefix that names none or several, `Held` for one that is worse than
        the one in force unless `override` says why, `BadRelease` for a damaged one,
        `LoadInProgress` while another is loaded; the one in force then stays.
        """
        with self._alone():
            release_id = self.registry.resolve(prefix)
            previous = self._look().release
            reason = override_needed(self.registry, release_id, override)
            pointer = self.in_force = self._swap_release(
                release_id, lambda: self.registry.promote(release_id, self._clock.now(), reason)
            )
            _log.info("promoted", release=release_id, previous=previous, override=reason or None)
            return Change(pointer, previous)

    def rollback(self) -> Change:
        """Put the release in force again that was before; the policy stays.

        Raises `NothingToRollBack`, `Conflict` where another process moves the pointer meanwhile,
        and as `promote` does.
        """
        with self._alone():
            releases = self._look().releases
            release_id = releases.rolled_back(0, "release").id
            pointer = self.in_force = self._swap_release(
                release_id, lambda: self.registry.rollback(self._clock.now(), release_id)
            )
            _log.info("rolled back", release=release_id, previous=releases.id)
            return Change(pointer, releases.id)

    def publish(self, policy: Policy) -> Change:
        """Decide with a policy once, and put it in force; the release stays.

        Raises `BadPolicyFile` for one with which nothing can be decided.
        """
        with self._publishing:
            previous = self._look().policy
            pointer = self.in_force = self._swap_policy(
                policy, lambda: self.registry.publish(policy, self._clock.now())
            )
            _log.info("published", policy=policy.digest, previous=previous)
            return Change(pointer, previous)

    def rollback_policy(self) -> Change:
        """Put the policy in force again that was before; the release stays.

        Raises `NothingToRollBack`, `BadPolicyFile` for one that cannot be read or decided with,
        `Conflict` where another process moves the pointer meanwhile.
        """
        with self._publishing:
            pointer = self._look()
            digest = pointer.policies.rolled_back(0, "policy").id
            after = self.in_force = self._swap_policy(
                self._read_policy(digest),
                lambda: self.registry.rollback_policy(self._clock.now(), digest),
            )
            _log.info("rolled back", policy=digest, previous=pointer.policy)
            return Change(after, pointer.policy)

    def _look(self) -> Pointer:
        self.in_force = self.registry.pointer()
        return self.in_force

    def _release_to_take(self) -> HistoryEntry | None:
        """Return the release in force when it is neither served nor refused."""
        entry, snapshot = self._look().releases.in_force, self._snapshot
        if entry is None or not self._policy_known:
            return None
        if is_wanted(entry, snapshot.release_id, snapshot.refused_release, self.registry.path):
            return entry
        return None

    def _policy_to_take(self) -> HistoryEntry | None:
        """Return the policy in force when it neither decides nor was refused."""
        entry, snapshot = self._look().policies.in_force, self._snapshot
        if entry is None:
            return None
        served = snapshot.policy.digest if self._policy_known else ""
        if is_wanted(entry, served, snapshot.refused_policy, self.registry.policy_path):
            return entry
        return None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the only one to load a release; raises `LoadInProgress` where another does."""
        if not self._loading.acquire(blocking=False):
            raise LoadInProgress("model: load in progress")
        try:
            yield
        finally:
            self._loading.release()

    def _fall_back(self, history: History, take: Take) -> bool:
        """Serve the latest entry of a history that can be served; tell whether there is one."""
        first: Refused | None = None
        tried: set[str] = set()
        for entry in history.entries:
            if entry.id in tried:
                continue
            refused = take(entry, first)
            if refused is None:
                return True
            first = first or refused
            tried.add(entry.id)
        return False

    def _take_release(
        self, entry: HistoryEntry, instead_of: Refused | None = None
    ) -> Refused | None:
        """Serve a release; return None, or it as refused.

        `instead_of` is the one in force, where that was refused.
        """
        found = Refused(entry, file_stamps(self.registry.path(entry.id)))
        try:
            self._swap_release(entry.id, lambda: self.in_force, instead_of)
        except BadRelease as error:
            with self._swapping:
                self._snapshot = replace(self._snapshot, refused_release=instead_of or found)
            serving = self.release_id or None
            _log.error("release refused", release=entry.id, reason=str(error), serving=serving)
            return found
        return None

    def _take_policy(
        self, entry: HistoryEntry, instead_of: Refused | None = None
    ) -> Refused | None:
        """Decide by a policy; return None, or it as refused.

        `instead_of` is the one in force, where that was refused.
        """
        found = Refused(entry, file_stamps(self.registry.policy_path(entry.id)))
        try:
            self._swap_policy(self._read_policy(entry.id), lambda: self.in_force, instead_of)
        except BadPolicyFile as error:
            with self._swapping:
                self._snapshot = replace(self._snapshot, refused_policy=instead_of or found)
            serving = self._snapshot.policy.digest if self._policy_known else None
            _log.error("policy refused", policy=entry.id, reason=str(error), serving=serving)
            return found
        return None

    def _read_policy(self, digest: str) -> Policy:
        try:
            return self.registry.policy(digest)
        except BadPolicyFile:
            self.policy_refusals += 1
            raise
