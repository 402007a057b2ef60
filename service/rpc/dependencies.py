"""What the services of the contract work with, as `lifecycle` has made it at start."""

from collections.abc import Iterable
from typing import NamedTuple

from models.domain.identifiers import Identifier, hash_identifier
from models.errors import StoreUnavailable
from service.config.clock import Clock
from service.contract.names import Names
from service.decisions.active_release import ActiveRelease
from service.decisions.volume_leases import VolumeLeases
from service.metrics.server_metrics import Metrics
from service.store.store import Store


class Dependencies(NamedTuple):
    """The objects that all services of one server share; `key` hashes identifiers."""

    active_release: ActiveRelease
    store: Store
    names: Names
    clock: Clock
    key: bytes
    metrics: Metrics
    volumes: VolumeLeases

    def hashes(self, identifiers: Iterable[Identifier]) -> list[bytes]:
        """Return the keyed hashes of identifiers, in their order."""
        return [hash_identifier(self.key, identifier) for identifier in identifiers]

    def store_answers(self) -> bool:
        """Tell whether the store answers."""
        try:
            self.store.check()
        except StoreUnavailable:
            return False
        return True
