"""Finds the customer of an identifier: through forwards, by a checked cache, nobody half joined.

An identifier's key holds a profile, a forward to the customer it was linked into, or nothing.
Wherever the cache or a forward leads, what is found there must hold the identifier's compartment,
else somebody parted it meanwhile, and the search starts again from the identifier's own key. So the
common case is one read and a stale customer is never returned.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeGuard

from models.codec import Damaged
from models.domain.profile import Forward, Profile, decode_customer
from models.errors import Unreadable
from service.store.customers.customer_lookup import CustomerLookup
from service.store.customers.linking import finish_pending
from service.store.database.backend import Backend

CACHE_CAPACITY = 200_000
HOPS = 1_000  # nobody is joined and parted so often during one search

ResolvedProfile = Profile | None | Unreadable


class Resolver:
    """Identifiers to profiles over one database, for all threads of a process."""

    def __init__(self, backend: Backend, clock: Callable[[], int]) -> None:
        """`clock` says when a link that is found half done arrives in the log (microseconds)."""
        self._backend = backend
        self._clock = clock
        self._customer_of: dict[bytes, bytes] = {}

    def lookup(self, identifiers: Sequence[bytes]) -> CustomerLookup:
        """Return the customer of the first identifier that is known to be somebody's.

        At least one identifier. Raises `StoreUnavailable`, which is `Unreadable` for a blob that
        cannot be used.
        """
        profile = self.stored(identifiers[0])
        others = identifiers[1:]
        if others and (profile is None or profile.blank):
            profile = next((other for other in self.known(others) if not other.blank), profile)
        if profile is None:
            return CustomerLookup(
                Profile(customer=identifiers[0]), known=False, identifiers_disagree=False
            )
        if profile.blank:
            # Unlinked before anything was recorded under it: as if it had never been known.
            return CustomerLookup(profile, known=False, identifiers_disagree=False)
        strangers = [other for other in others if other not in profile.compartments]
        disagree = any(other.customer != profile.customer for other in self.known(strangers))
        return CustomerLookup(profile, known=True, identifiers_disagree=disagree)

    def known(self, identifiers: Sequence[bytes]) -> list[Profile]:
        """Return the profiles of those who are known, in the order of identifiers.

        Raises `StoreUnavailable`, which is `Unreadable` for a blob that cannot be used.
        """
        found = self.profiles(identifiers) if identifiers else {}
        profiles = [found[identifier] for identifier in identifiers]
        for profile in profiles:
            if isinstance(profile, Unreadable):
                raise profile
        return [profile for profile in profiles if isinstance(profile, Profile)]

    def profile(self, identifier: bytes) -> Profile | None:
        """Return the profile of the customer known by `identifier`; None if nobody is.

        Raises `StoreUnavailable`, which is `Unreadable` for a blob that cannot be used.
        """
        found = self.profiles([identifier])[identifier]
        if isinstance(found, Unreadable):
            raise found
        return found

    def stored(self, identifier: bytes) -> Profile | None:
        """Return the same: one read, and no more, in the common case."""
        place = self._customer_of.get(identifier, identifier)
        blob = self._backend.get(place)
        if blob is not None:
            customer = _of(place, blob)
            if _holds(customer, identifier) and not customer.unsettled:
                return customer
        elif place == identifier:
            return None
        return self.profile(identifier)

    def profiles(self, identifiers: Iterable[bytes]) -> dict[bytes, ResolvedProfile]:
        """Return the same for several identifiers, with as few round trips as the hops need."""
        read = self._profiles(identifiers)
        for _ in range(HOPS):
            latest = _latest(read)
            # Who was read first may have been parted from the customer before that was read again.
            parted = [
                one
                for one, profile in latest.items()
                if profile is not read[one] and not _holds(profile, one)
            ]
            if not parted:
                return latest
            read.update(self._profiles(parted))
        return {**read, **dict.fromkeys(parted, Damaged("customer: parted again and again"))}

    def _profiles(self, identifiers: Iterable[bytes]) -> dict[bytes, ResolvedProfile]:
        found: dict[bytes, ResolvedProfile] = {}
        places = {
            identifier: self._customer_of.get(identifier, identifier) for identifier in identifiers
        }
        guessed = {identifier for identifier, place in places.items() if place != identifier}
        for _ in range(HOPS):
            if not places:
                break
            stored = self._read(sorted(set(places.values())))
            for identifier, place in list(places.items()):
                customer = stored[place]
                if isinstance(customer, Forward):
                    places[identifier] = customer.to
                elif isinstance(customer, Profile) and customer.unsettled:
                    try:
                        finish_pending(self._backend, customer.customer, self._clock)
                    except Unreadable as error:
                        del places[identifier]
                        found[identifier] = error
                elif not _holds(customer, identifier) and (
                    identifier in guessed or (place != identifier and isinstance(customer, Profile))
                ):
                    guessed.discard(identifier)
                    places[identifier] = identifier
                else:
                    del places[identifier]
                    found[identifier] = customer
                    self._remember(identifier, place)
        nowhere = Damaged("customer: not where its identifier leads")
        return {**dict.fromkeys(places, nowhere), **found}

    def _read(self, places: list[bytes]) -> dict[bytes, Forward | ResolvedProfile]:
        blobs = (
            [self._backend.get(places[0])] if len(places) == 1 else self._backend.get_many(places)
        )
        stored: dict[bytes, Forward | ResolvedProfile] = {}
        for place, blob in zip(places, blobs, strict=True):
            try:
                stored[place] = None if blob is None else _of(place, blob)
            except Unreadable as error:
                stored[place] = error
        return stored

    def _remember(self, identifier: bytes, customer: bytes) -> None:
        if identifier == customer:
            self._customer_of.pop(identifier, None)
            return
        if len(self._customer_of) >= CACHE_CAPACITY:
            self._customer_of.clear()
        self._customer_of[identifier] = customer


def _of(place: bytes, blob: bytes) -> Profile | Forward:
    """Decode the blob found under a customer's key, which must be that customer's."""
    customer = decode_customer(blob)
    if customer.customer != place:
        raise Damaged("stored value: of another customer")
    return customer


def _holds(customer: Forward | ResolvedProfile, identifier: bytes) -> TypeGuard[Profile]:
    return isinstance(customer, Profile) and identifier in customer.compartments


def _latest(found: dict[bytes, ResolvedProfile]) -> dict[bytes, ResolvedProfile]:
    """Give identifiers of one customer, read at different hops, the same, latest profile."""
    latest: dict[bytes, Profile] = {}
    for profile in found.values():
        if isinstance(profile, Profile):
            other = latest.get(profile.customer)
            if other is None or other.version < profile.version:
                latest[profile.customer] = profile
    return {
        identifier: latest[profile.customer] if isinstance(profile, Profile) else profile
        for identifier, profile in found.items()
    }
