"""Offers of limited volume: pieces that this process may grant, leased from the store in blocks.

Each offer has one counter in the store, which all processes raise a block at a time and never
beyond the volume; so it is never exceeded. What a killed process had leased is lost: at most one
block. A process that ends in order gives back what is left.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from models.domain.catalogue import Catalogue
from models.errors import StoreUnavailable
from service.store.store import Store

BLOCKS = 100  # a block is this part of a volume,
LARGEST_BLOCK = 100  # and at most so many pieces
RETRY_SECONDS = 1.0  # seconds until an exhausted offer, or a store that was away, is asked again


class _Lease:
    """What is left of the blocks leased of one volume."""

    def __init__(self, volume: int) -> None:
        self.volume = volume
        self.left = 0
        self.over_until = 0.0  # by the monotonic clock


class VolumeLeases:
    """The leases of one process, for all its threads."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` in seconds, never back."""
        self._store = store
        self._clock = clock
        self._leases: dict[str, _Lease] = {}
        self._lock = threading.Lock()

    def limited(self, catalogue: Catalogue) -> Mapping[str, int]:
        """Return the volume of each offer of a catalogue that has one."""
        return catalogue.volumes

    def exhausted(self, catalogue: Catalogue) -> frozenset[str]:
        """Return the offers whose volume was exhausted when a block was last asked for."""
        now, limited = self._clock(), self.limited(catalogue)
        with self._lock:
            return frozenset(
                name
                for name, lease in self._leases.items()
                if lease.left == 0 and now < lease.over_until and name in limited
            )

    def claim(self, offers: Iterable[str], catalogue: Catalogue) -> frozenset[str]:
        """Take a piece of each of `offers`, all or none; return those that are exhausted.

        Empty: all were taken, to be granted or put back. While the store is away there is no more
        than what is leased already.
        """
        volumes = self.limited(catalogue)
        claimed: list[str] = []
        over: list[str] = []
        for name in offers:
            (claimed if self._claim(name, volumes[name]) else over).append(name)
        if over:
            self.put_back(claimed)
        return frozenset(over)

    def put_back(self, offers: Iterable[str]) -> None:
        """Put back pieces that were claimed and certainly granted to nobody."""
        with self._lock:
            for name in offers:
                self._leases[name].left += 1

    def close(self) -> None:
        """Give back to the store what is leased and was not granted."""
        with self._lock:
            leases, self._leases = self._leases, {}
        for name, lease in leases.items():
            self._give_back(name, lease.left)

    def _claim(self, name: str, volume: int) -> bool:
        if self._from_lease(name, volume):
            return True
        with self._lock:
            if self._clock() < self._leases[name].over_until:
                return False
        # Not under the lock: it is a round trip, and other offers do not wait for it.
        block = max(1, min(LARGEST_BLOCK, volume // BLOCKS))
        try:
            taken = self._store.take(_counter(name), block, volume)
        except StoreUnavailable:
            taken = 0
        with self._lock:
            lease = self._leases[name]
            lease.left += taken
            if not taken:
                lease.over_until = self._clock() + RETRY_SECONDS
        return self._from_lease(name, volume)

    def _from_lease(self, name: str, volume: int) -> bool:
        """Take a piece of what is leased; a lease of another volume is given back first."""
        old = 0
        with self._lock:
            lease = self._leases.get(name)
            if lease is None or lease.volume != volume:
                old = 0 if lease is None else lease.left
                lease = self._leases[name] = _Lease(volume)
            found = lease.left > 0
            lease.left -= found
        self._give_back(name, old)
        return found

    def _give_back(self, name: str, number: int) -> None:
        # Never repeated where the outcome is unknown: the same piece might be granted twice.
        if number:
            with suppress(StoreUnavailable):
                self._store.give_back(_counter(name), number)


def _counter(offer: str) -> str:
    return f"volume:{offer}"
