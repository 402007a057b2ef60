"""The last acknowledged write of each shard: the first to be missing where a store went back."""

from collections.abc import Callable, Sequence

from models.codec import version_of
from service.store.database.decision_ids import shard_of

AT_ONCE = 256  # customers read in one call of the database


class RecentWrites:
    """What this process was told that is stored, one customer a shard; for all threads.

    Replicas and copies lack the end of what was written, so whoever lacks anything of a shard lacks
    its last write.
    """

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._last: dict[int, tuple[bytes, int]] = {}
        self._changed = False

    def note(self, customer: bytes, version: int) -> None:
        """Note that a customer was stored at a version."""
        self._last[shard_of(customer, self._shards)] = (customer, version)
        self._changed = True

    def take_changed(self) -> bool:
        """Tell whether anything was noted since this was last asked."""
        changed, self._changed = self._changed, False
        return changed

    def missing(self, read: Callable[[Sequence[bytes]], Sequence[bytes | None]]) -> int:
        """Return of how many shards the last write is gone, by the blobs that `read` returns."""
        noted = list(self._last.values())
        lost = 0
        for at in range(0, len(noted), AT_ONCE):
            page = noted[at : at + AT_ONCE]
            blobs = read([customer for customer, _ in page])
            for (_, version), blob in zip(page, blobs, strict=True):
                lost += blob is None or version_of(blob) < version
        return lost
