"""Joins two customers into one, so that a crash at any point loses nothing and doubles nothing.

The two may be kept in two shards, so no single write can join them. The surviving customer first
says whom it is `absorbing` and takes a copy of its compartments and links; then the absorbed one
becomes a forward, but only in the version that was copied (else it is copied anew), and that same
write logs the link: from there on it is real; last the intent is cleared. Nobody may use a profile
that is absorbing: whoever meets one finishes the link first, and many may do so at once. A link
between identifiers that are one customer already is kept, too, so that taking one link back leaves
joined what another joins.

Of two known customers the one with the smaller id survives, so that links that cross cannot wait
for each other. An unknown identifier is absorbed by a known customer whatever their ids; if it
becomes known meanwhile and is the smaller, or if the identifier that was to be linked is parted
from the absorbed, or if the absorbed has grown so that both together have more identifiers than a
customer may, the intent is called off and the link starts again.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import replace

from models.domain.compartments import joined, only
from models.domain.identifier_groups import IdentifierGroups
from models.domain.profile import (
    IDENTIFIERS_MOST,
    Compartment,
    Forward,
    Link,
    Profile,
    known_since,
)
from models.errors import TooManyIdentifiers
from service.store.customers.log_entries import link_line
from service.store.customers.optimistic_writes import (
    ATTEMPTS,
    back_off,
    forward_write,
    read_customer,
    replace_profile,
    too_many_writers,
)
from service.store.customers.unlinking import finish_unlink
from service.store.database.backend import Backend

NO_ARRIVALS: Mapping[bytes, int] = MappingProxyType({})
LINKERS = 32  # threads that wait for the disk together


class LinkOutcome(NamedTuple):
    """The customer that two identifiers belong to now; `changed`: this call made it so."""

    customer: bytes
    version: int
    changed: bool


def link(
    backend: Backend,
    profile_of: Callable[[bytes], Profile | None],
    assertion: Link,
    clock: Callable[[], int],
    arrivals: Mapping[bytes, int] = NO_ARRIVALS,
) -> LinkOutcome:
    """Make the identifiers `assertion.a` and `assertion.b` one customer; durable on return.

    `profile_of` finds the customer of an identifier; `clock` gives the time of arrival in the log,
    in microseconds, from which on an identifier that nobody has heard of is known, unless
    `arrivals` says since when. Raises `TooManyIdentifiers`, with nothing changed. Raises
    `StoreUnavailable`: the link may then be half done, the next reader finishes it, and the same
    call may be sent again.
    """
    if assertion.a == assertion.b:
        known = profile_of(assertion.a) or Profile(customer=assertion.a)
        return LinkOutcome(known.customer, known.version, changed=False)
    begun = False
    for attempt in range(ATTEMPTS):
        a, b = profile_of(assertion.a), profile_of(assertion.b)
        if a is not None and b is not None and a.customer == b.customer:
            if any(one.pair == assertion.pair for one in a.links):
                return LinkOutcome(a.customer, a.version, changed=begun and assertion in a.links)
            more = replace(a, links=(*a.links, assertion))
            if replace_profile(backend, a, more, [link_line(assertion, clock())]):
                return LinkOutcome(a.customer, a.version + 1, changed=True)
            back_off(attempt, backend.time_left())
            continue
        now = clock()
        since = {one: arrivals.get(one, now) for one in (assertion.a, assertion.b)}
        survivor, absorbed = _sides(assertion, a, b, since)
        if absorbed.compartments.keys() & survivor.compartments.keys():
            continue  # one was read before identifiers of it went to the other
        if _too_many(survivor, absorbed):
            raise TooManyIdentifiers(
                f"identifiers: together {len(survivor.compartments) + len(absorbed.compartments)}, "
                f"a customer has {IDENTIFIERS_MOST} at most; link no identifier that many people "
                "share, or unlink first what does not belong"
            )
        if _absorb(backend, survivor, survivor, absorbed, assertion):
            begun = True
            finish_pending(backend, survivor.customer, clock)
        else:
            back_off(attempt, backend.time_left())
    raise too_many_writers("link")


def link_all(
    links: Sequence[Link], link_one: Callable[[Link], LinkOutcome]
) -> list[LinkOutcome | None]:
    """Make many links with `link_one`, in their order where they touch, else side by side.

    None for one that would give a customer too many identifiers. Every link waits for the disk a
    few times; links that have nothing to do with each other wait together.
    """
    groups: IdentifierGroups[bytes] = IdentifierGroups()
    for assertion in links:
        groups.join(assertion.a, assertion.b)
    chains: dict[bytes, list[int]] = {}
    for index, assertion in enumerate(links):
        chains.setdefault(groups.root(assertion.a), []).append(index)

    def made(assertion: Link) -> LinkOutcome | None:
        try:
            return link_one(assertion)
        except TooManyIdentifiers:
            return None

    def run(indices: Sequence[int]) -> list[tuple[int, LinkOutcome | None]]:
        return [(index, made(links[index])) for index in indices]

    with ThreadPoolExecutor(LINKERS) as pool:
        found = dict(chain.from_iterable(pool.map(run, chains.values())))
    return [found[index] for index in range(len(links))]


def finish_pending(backend: Backend, customer: bytes, clock: Callable[[], int]) -> None:
    """Bring what is under way at `customer` to its end: a parting, or a link, if not called off.

    Raises `StoreUnavailable`.
    """
    for attempt in range(ATTEMPTS):
        survivor = read_customer(backend, customer)
        if not isinstance(survivor, Profile) or not survivor.unsettled:
            return
        if not survivor.absorbing:
            finish_unlink(backend, customer)
            continue
        assertion = survivor.links[-1]
        absorbed = read_customer(backend, survivor.absorbing) or _unknown(
            survivor.absorbing, clock()
        )
        if isinstance(absorbed, Forward) and absorbed.to == customer:
            moved = replace_profile(backend, survivor, replace(survivor, absorbing=b"", copied=0))
        elif isinstance(absorbed, Forward) or _not_ours(assertion, absorbed, customer):
            moved = replace_profile(backend, survivor, _called_off(backend, survivor))
        elif absorbed.unsettled:
            # Its id is greater than ours, so this cannot come round in a circle.
            finish_pending(backend, absorbed.customer, clock)
            moved = True
        elif absorbed.version == survivor.copied:
            moved = _forward(backend, survivor, clock())
        else:
            # Anew, as what left the absorbed meanwhile must leave the copy, too.
            own = _called_off(backend, survivor)
            if _too_many(own, absorbed):
                moved = replace_profile(backend, survivor, own)
            else:
                moved = _absorb(backend, survivor, own, absorbed, assertion)
        if not moved:
            back_off(attempt, backend.time_left())
    raise too_many_writers("link")


def _unknown(identifier: bytes, now: int) -> Profile:
    """Return who is known from `now` on by an identifier that nobody has heard of: version 0."""
    return Profile(
        customer=identifier,
        compartments={identifier: Compartment()},
        arrivals={identifier: now},
    )


def _sides(
    assertion: Link, a: Profile | None, b: Profile | None, since: Mapping[bytes, int]
) -> tuple[Profile, Profile]:
    """Return who survives and who is absorbed; `since` says since when either is known, if new."""
    new_a, new_b = (_unknown(one, since[one]) for one in (assertion.a, assertion.b))
    if a is not None and b is None:
        return a, new_b
    if b is not None and a is None:
        return b, new_a
    both = (a or new_a, b or new_b)
    survivor, absorbed = sorted(both, key=lambda profile: profile.customer)
    return survivor, absorbed


def _too_many(one: Profile, other: Profile) -> bool:
    """Tell whether two customers have more identifiers than one may have."""
    return len(one.compartments.keys() | other.compartments.keys()) > IDENTIFIERS_MOST


def _not_ours(assertion: Link, absorbed: Profile, customer: bytes) -> bool:
    """Tell whether a profile must not be absorbed for a link, by that customer."""
    parted = assertion.a not in absorbed.compartments and assertion.b not in absorbed.compartments
    return parted or (absorbed.version > 0 and absorbed.customer < customer)


def _absorb(
    backend: Backend, survivor: Profile, own: Profile, taken: Profile, assertion: Link
) -> bool:
    """Replace the survivor by what is its own with a copy of what is taken over.

    The link under way is its last. Its version is beyond both, so that whoever asks by an
    identifier of either never meets one version twice.
    """
    # What is the survivor's own is as it was just read; the other may have been read before.
    compartments = joined(taken.compartments, own.compartments)
    after = replace(
        own,
        compartments=compartments,
        links=(*sorted({*own.links, *taken.links} - {assertion}), assertion),
        absorbing=taken.customer,
        copied=taken.version,
        once_with=tuple(sorted({*own.once_with, *taken.once_with} - compartments.keys())),
        arrivals={**known_since(taken), **known_since(own)},
    )
    return replace_profile(backend, survivor, after, newer_than=taken.version)


def _forward(backend: Backend, survivor: Profile, arrival: int) -> bool:
    """Leave a forward in the place of the absorbed as it was copied, and log the link with it."""
    line = link_line(survivor.links[-1], arrival)
    forward = forward_write(survivor.absorbing, survivor.copied, survivor.customer, line)
    return backend.write([forward])[0]


def _called_off(backend: Backend, survivor: Profile) -> Profile:
    """Return the survivor as it was before: with the compartments that lead to it, no other."""
    compartments = only(
        survivor.compartments,
        {one for one in survivor.compartments if _home(backend, one) == survivor.customer},
    )
    links = tuple(
        link for link in survivor.links[:-1] if link.a in compartments and link.b in compartments
    )
    known = known_since(survivor)
    return replace(
        survivor,
        compartments=compartments,
        links=links,
        absorbing=b"",
        copied=0,
        arrivals={identifier: known[identifier] for identifier in compartments},
    )


def _home(backend: Backend, identifier: bytes) -> bytes:
    customer = identifier
    while isinstance(found := read_customer(backend, customer), Forward):
        customer = found.to
    return customer
