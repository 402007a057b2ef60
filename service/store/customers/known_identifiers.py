"""All identifiers that a store knows, with when each became known."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from models.domain.profile import Profile, decode_customer, known_since
from models.errors import Unreadable
from service.store.customers.linking import finish_pending
from service.store.database.backend import Backend

BATCH = 500  # customers in memory


class KnownIdentifier(NamedTuple):
    """An identifier, and since when it is known (microseconds); 0 and 1 where nobody knows it.

    Of such identifiers of one customer the one with 0 comes first.
    """

    identifier: bytes
    since: int


def known_identifiers(
    backend: Backend, clock: Callable[[], int]
) -> Iterator[KnownIdentifier | Unreadable]:
    """Yield each identifier; one of a customer who is linked meanwhile perhaps twice.

    In the place of a customer who cannot be read comes the error, which names that customer. Raises
    `StoreUnavailable`.
    """
    customers = backend.customers()
    while batch := list(islice(customers, BATCH)):
        for customer, blob in zip(batch, backend.get_many(batch), strict=True):
            try:
                yield from _of(backend, clock, customer, blob)
            except Unreadable as error:
                yield Unreadable(f"customer {customer.hex()}: {error}")


def _of(
    backend: Backend, clock: Callable[[], int], customer: bytes, blob: bytes | None
) -> Iterator[KnownIdentifier]:
    stored = None if blob is None else decode_customer(blob)
    if isinstance(stored, Profile) and stored.unsettled:
        finish_pending(backend, customer, clock)
        blob = backend.get(customer)
        stored = None if blob is None else decode_customer(blob)
    if isinstance(stored, Profile):
        for identifier, since in known_since(stored).items():
            yield KnownIdentifier(identifier, since)
