"""The release, policy and catalogue that a server decides with, and how each is replaced.

A `ServingSnapshot` is immutable. A request takes it once, at its start, so every answer comes from
exactly one release, one policy and one catalogue. A change prepares the next snapshot beside the
present one and swaps one reference; it replaces one part and leaves the others alone.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog

from models.domain.catalogue import Catalogue
from models.errors import BadRelease
from models.policy.schema import BUILT_IN, Policy
from models.ranking.offer_index import OfferIndex
from models.release.histories import Pointer
from models.release.loader import verify_release
from models.release.registry import BadPolicyFile, Registry
from models.release.release import Release
from service.config.clock import Clock
from service.decisions.collector import LongLived
from service.decisions.mixed_currencies import MixedCurrencies
from service.decisions.preparation import (
    place_offers,
    try_and_load,
    warm_policy,
    warm_release,
)
from service.decisions.serving_snapshot import Refused, ServingSnapshot
from service.decisions.shared_index import ALONE, INDEX, RELEASE, SharedIndexes
from service.store.catalogue_writes import catch_up
from service.store.store import Store

_log = structlog.get_logger(__name__)

Commit = Callable[[], Pointer]


class Serving:
    """Holds the snapshot in use, and swaps it; follows the store's catalogue."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        clock: Clock,
        shared: SharedIndexes = ALONE,
    ) -> None:
        self.registry = registry
        self._shared = shared
        self._store = store
        self._clock = clock
        self._snapshot = ServingSnapshot(Catalogue(), None, BUILT_IN)
        self._swapping = threading.Lock()  # held while the next snapshot is made of the present one
        self._mixed = MixedCurrencies()
        self._long_lived = LongLived()
        self._policy_known = True  # False: what may be said is not known, so nothing decides
        self.release_swaps = 0  # releases taken over
        self.release_refusals = 0  # releases that were not fit for it
        self.policy_swaps = 0
        self.policy_refusals = 0
        self._catalogue_epoch = store.epoch  # of the store, as it was last read
        self.catalogue_checked = time.monotonic()  # when it was last seen to be the newest

    @property
    def snapshot(self) -> ServingSnapshot:
        """Return the snapshot in use: take it once for a request."""
        return self._snapshot

    @property
    def release_id(self) -> str:
        """Return the id of the release that decides now; "" without one."""
        return self._snapshot.release_id

    def refresh_catalogue(self) -> Catalogue:
        """Apply every change of the catalogue that the store has; return the catalogue."""
        with self._swapping:
            snapshot = self._snapshot
            epoch = self._store.epoch
            # A store that went back may give known revisions to other rows.
            known = snapshot.catalogue if epoch == self._catalogue_epoch else Catalogue()
            self._catalogue_epoch = epoch
            if not known.revision:
                known = self._shared.catalogue(epoch) or known
            catalogue = catch_up(self._store, known)
            if catalogue is not snapshot.catalogue:
                index = snapshot.index
                if index is not None:
                    index = self._settled(self._updated(index, catalogue))
                    catalogue = index.catalogue
                    self._mixed.look(snapshot.policy, catalogue)
                elif catalogue.loose:
                    catalogue = catalogue.packed()
                self._snapshot = replace(snapshot, catalogue=catalogue, index=index)
                self._long_lived.add(snapshot.catalogue.rows_changed_in(catalogue))
                _log.debug("catalogue", revision=catalogue.revision)
            self.catalogue_checked = time.monotonic()
            return catalogue

    def _updated(self, index: OfferIndex, catalogue: Catalogue) -> OfferIndex:
        """Return the index of a later catalogue, or of one that came after that."""
        return index.update(catalogue, lambda later: self._made(index.release, later, index))

    def _settled(self, index: OfferIndex) -> OfferIndex:
        """Return an index of whose catalogue not many rows are objects of this process."""
        if not index.catalogue.loose:
            return index
        if self._shared.by_others:
            return self._made(index.release, index.catalogue, index)
        return index.over(index.catalogue.packed())

    def _made(
        self, release: Release, catalogue: Catalogue, before: OfferIndex | None = None
    ) -> OfferIndex:
        """Return an index that is made anew of a catalogue, or of one that came after that.

        Where another worker has made one later than `before`, it is that, brought up to date.
        """
        epoch = self._catalogue_epoch
        with self._shared.alone(INDEX):
            found = self._shared.index(release, epoch)
            if found is None or (before is not None and found.made_at <= before.made_at):
                return self._shared.share(release, catalogue, epoch)
            if found.catalogue.revision < catalogue.revision:
                catalogue = catch_up(self._store, found.catalogue)
                return found.update(
                    catalogue, lambda later: self._shared.share(release, later, epoch)
                )
            return found

    def follow_catalogue(self) -> None:
        """Apply what other processes changed in the catalogue, if anything."""
        behind = self._store.revision() != self._snapshot.catalogue.revision
        if behind or self._store.epoch != self._catalogue_epoch:
            self.refresh_catalogue()
        self.catalogue_checked = time.monotonic()

    def _swap_release(
        self, release_id: str, commit: Commit, instead_of: Refused | None = None
    ) -> Pointer:
        """Load a release, `commit`, and serve it; what serves now stays when either fails."""
        if not self._policy_known:
            raise BadPolicyFile("policy: none of the history can be read; publish one first")
        index = self._snapshot.index
        while True:
            tried, epoch = self._snapshot, self._catalogue_epoch
            try:
                # Not under the lock: changes of the catalogue need not wait for a load.
                if index is None or index.release.id != release_id:
                    with self._shared.alone(RELEASE):
                        path = self.registry.path(release_id)
                        release = self._shared.release(release_id)
                        if release is None:
                            release = self._shared.share_release(try_and_load(path))
                        else:
                            # What another worker has of it is sound: so must be what the next
                            # start will find.
                            verify_release(path)
                    index = place_offers(release, partial(self._made, catalogue=tried.catalogue))
                if index is not tried.index:
                    warm_release(index, tried.policy, self._clock.now())
            except BadRelease:
                self.release_refusals += 1
                raise
            with self._swapping:
                before = self._snapshot
                if epoch != self._catalogue_epoch:
                    index = before.index  # and not what was made of a store that went back since
                    continue
                if before.policy is not tried.policy:
                    continue  # not decided by together yet
                if index.catalogue.revision < before.catalogue.revision:
                    index = self._updated(index, before.catalogue)
                pointer = commit()
                self._mixed.look(before.policy, index.catalogue)
                self._snapshot = replace(
                    before, catalogue=index.catalogue, index=index, refused_release=instead_of
                )
                self._long_lived.add(len(index.rows))
            self.release_swaps += before.release_id != release_id
            self._log_serving()
            return pointer

    def _swap_policy(
        self, policy: Policy, commit: Commit, instead_of: Refused | None = None
    ) -> Pointer:
        """Decide by a policy once, `commit`, and go on by it; the one before stays on a failure."""
        while True:
            tried = self._snapshot
            try:
                if tried.index is not None and policy.digest != tried.policy.digest:
                    warm_policy(tried.index, policy, self._clock.now())
            except BadPolicyFile:
                self.policy_refusals += 1
                raise
            with self._swapping:
                before = self._snapshot
                if before.release_id != tried.release_id:
                    continue  # not decided by together yet
                pointer = commit()
                if before.index is not None:
                    self._mixed.look(policy, before.catalogue)
                self._snapshot = replace(before, policy=policy, refused_policy=instead_of)
                self._policy_known = True
            self.policy_swaps += before.policy.digest != policy.digest
            self._log_serving()
            return pointer

    def _log_serving(self) -> None:
        snapshot = self._snapshot
        _log.info(
            "serving",
            release=snapshot.release_id or None,
            policy=snapshot.policy.digest,
            catalogue=snapshot.catalogue.revision,
        )
