"""The release, policy and catalogue that a server decides with, and how they are replaced.

A `ServingSnapshot` is immutable: catalogue, index (which holds the release) and policy. A request
takes it once, at its start, so every answer comes from exactly one release and one catalogue. A
change prepares the next snapshot beside the present one and swaps one reference.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

import structlog

from models.decision.decide import decide
from models.decision.inputs import SharedInputs
from models.domain.catalogue import Catalogue
from models.domain.decisions import Request
from models.domain.profile import Profile
from models.errors import BadRelease
from models.policy.schema import BUILT_IN, Policy
from models.ranking.offer_index import OfferIndex
from models.release.loader import load_release
from models.release.promotion import override_needed
from models.release.registry import NothingToRollBack, Pair, Pointer, Registry
from models.release.release import Release
from service.config.clock import Clock
from service.config.logs import log_fault
from service.contract.errors import LoadInProgress, NoRelease
from service.decisions.mixed_currencies import MixedCurrencies
from service.decisions.release_trial import try_release
from service.store.catalogue_writes import catch_up
from service.store.store import Store

_log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class ServingSnapshot:
    """What one request decides with; `index` is None until a release is in force."""

    catalogue: Catalogue
    index: OfferIndex | None
    policy: Policy

    def shared_inputs(self) -> SharedInputs:
        """Return what all decisions share; raises `NoRelease` while none is in force."""
        if self.index is None:
            raise NoRelease("model: none loaded")
        return SharedInputs(self.index, self.policy)


class Promotion(NamedTuple):
    """The ids of the release in force after a promotion or rollback, and before ("": none)."""

    release: str
    previous: str


class ActiveRelease:
    """Holds the snapshot in use; follows the store's catalogue and the registry's pointer."""

    def __init__(self, store: Store, registry: Registry, clock: Clock) -> None:
        self.registry = registry
        self._store = store
        self._clock = clock
        self._snapshot = ServingSnapshot(Catalogue(), None, BUILT_IN)
        self._swapping = threading.Lock()  # held while the next snapshot is made of the present one
        self._loading = threading.Lock()  # held from choosing a release until it serves
        self._refused: Pair | None = None
        self._mixed = MixedCurrencies()
        self.swaps = 0  # releases taken over
        self.refusals = 0  # releases that were not fit for it
        self.catalogue_checked = time.monotonic()  # when it was last seen to be the newest

    @property
    def snapshot(self) -> ServingSnapshot:
        """Return the snapshot in use: take it once for a request."""
        return self._snapshot

    @property
    def release_id(self) -> str:
        """Return the id of the release that decides now; "" without one."""
        index = self._snapshot.index
        return "" if index is None else index.release.id

    @property
    def refused_id(self) -> str:
        """Return the id of the release in force that is too bad to serve; "" for none."""
        return "" if self._refused is None else self._refused.release

    def refresh_catalogue(self) -> Catalogue:
        """Apply every change of the catalogue that the store has; return the catalogue."""
        with self._swapping:
            snapshot = self._snapshot
            catalogue = catch_up(self._store, snapshot.catalogue)
            if catalogue is not snapshot.catalogue:
                index = None if snapshot.index is None else snapshot.index.update(catalogue)
                if index is not None:
                    self._mixed.look(snapshot.policy, catalogue)
                self._snapshot = replace(snapshot, catalogue=catalogue, index=index)
                _log.debug("catalogue", revision=catalogue.revision)
            self.catalogue_checked = time.monotonic()
            return catalogue

    def follow_catalogue(self) -> None:
        """Apply what other processes changed in the catalogue, if anything."""
        if self._store.revision() != self._snapshot.catalogue.revision:
            self.refresh_catalogue()
        self.catalogue_checked = time.monotonic()

    def load_in_force(self) -> None:
        """Load the release in force, or else the last one before it that can be loaded."""
        pointer = self.registry.pointer()
        if pointer.in_force is None:
            _log.warning("no release in force", registry=str(self.registry.directory))
            return
        for pair in (pointer.in_force, *pointer.before):
            if self._take_over(pair):
                return

    def follow_registry(self) -> None:
        """Take over the release that another process put in force, unless it was refused."""
        if self._moved() is None or not self._loading.acquire(blocking=False):
            return
        try:
            pair = self._moved()  # it may have been taken over meanwhile
            if pair is not None:
                self._take_over(pair)
        finally:
            self._loading.release()

    def promote(self, prefix: str, override: str = "") -> Promotion:
        """Try, load and put in force the release that `prefix` names.

        Raises `BadInput` for a prefix that names none or several, `Held` for one that is worse than
        the one in force unless `override` says why, `BadRelease` for a damaged one,
        `LoadInProgress` while another is loaded; the one in force then stays.
        """
        with self._alone():
            release_id = self.registry.resolve(prefix)
            previous = _in_force(self.registry.pointer())
            reason = override_needed(self.registry, release_id, override)
            self._swap(
                release_id,
                self._snapshot.policy,
                lambda: self.registry.promote(release_id, self._clock.now(), reason),
            )
            _log.info("promoted", release=release_id, previous=previous, override=reason or None)
            return Promotion(release_id, previous)

    def rollback(self) -> Promotion:
        """Put the release in force again that was before.

        Raises `NothingToRollBack`, and as `promote` does.
        """
        with self._alone():
            pointer = self.registry.pointer()
            if not pointer.before:
                raise NothingToRollBack("release: no previous release")
            release_id, previous = pointer.before[0].release, _in_force(pointer)
            policy = self.registry.policy(pointer.before[0].policy)
            self._swap(release_id, policy, lambda: self.registry.rollback(self._clock.now()))
            _log.info("rolled back", release=release_id, previous=previous)
            return Promotion(release_id, previous)

    def _moved(self) -> Pair | None:
        """Return the pair in force when it is neither served nor refused."""
        pair = self.registry.pointer().in_force
        if pair is None or pair == self._refused:
            return None
        served = (self.release_id, self._snapshot.policy.digest)
        return None if (pair.release, pair.policy) == served else pair

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the only one to load a release; raises `LoadInProgress` where another does."""
        if not self._loading.acquire(blocking=False):
            raise LoadInProgress("model: load in progress")
        try:
            yield
        finally:
            self._loading.release()

    def _take_over(self, pair: Pair) -> bool:
        try:
            self._swap(pair.release, self.registry.policy(pair.policy), lambda: None)
        except BadRelease as error:
            self._refused = pair
            _log.error(
                "release refused", release=pair.release, policy=pair.policy, reason=str(error)
            )
            return False
        return True

    def _swap(self, release_id: str, policy: Policy, commit: Callable[[], object]) -> None:
        """Load a release, `commit`, and serve it; what serves now stays when either fails."""
        index = self._snapshot.index
        try:
            # Not under the lock: changes of the catalogue need not wait for a load.
            if index is None or index.release.id != release_id:
                release = _load(self.registry.path(release_id))
                index = self._prepared(OfferIndex, release, self._snapshot.catalogue)
            if policy != self._snapshot.policy or index is not self._snapshot.index:
                self._prepared(_warm, index, policy, self._clock.now())
        except BadRelease:
            self.refusals += 1
            raise
        with self._swapping:
            snapshot = self._snapshot
            if index.catalogue is not snapshot.catalogue:
                index = index.update(snapshot.catalogue)
            commit()
            self._mixed.look(policy, snapshot.catalogue)
            self._snapshot = replace(snapshot, index=index, policy=policy)
        self._refused = None
        self.swaps += snapshot.index is None or snapshot.index.release.id != release_id
        _log.info(
            "serving",
            release=release_id,
            policy=policy.digest,
            catalogue=snapshot.catalogue.revision,
        )

    def _prepared(self, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `make` returns; whatever it raises, the release is a `BadRelease`."""
        try:
            return make(*args, **kwargs)
        except Exception as error:
            reference = secrets.token_hex(8)
            log_fault(error, reference, "release")
            raise BadRelease(f"release: cannot decide; ref={reference}") from None


def _load(directory: Path) -> Release:
    if not directory.is_dir():
        raise BadRelease("release: not in the registry")
    try_release(directory)
    return load_release(directory)


def _warm(index: OfferIndex, policy: Policy, now: int) -> None:
    """Decide once for nobody, so that no caller waits for what is computed on first use."""
    decide(Profile(customer=b""), SharedInputs(index, policy), Request(channel="web"), now)


def _in_force(pointer: Pointer) -> str:
    return "" if pointer.in_force is None else pointer.in_force.release
