"""Parts a customer where a link is taken back, so that a crash at any point loses nothing.

Only when no other link holds them together are there two customers afterwards: one keeps the key,
the other, "who leaves", gets one of its own, the smallest of its identifiers. The two keys may be
in two shards, so no single write can do it. First the customer says whom it is `releasing`, and
that same write logs the unlink: from there on it is real, and nobody may use the profile. Then the
forwards of who stays are led past the keys of who leaves; who leaves is put under its key, still
`released_by` the other, so that nobody may use it either; the forwards of who leaves are led there;
the customer drops the compartments that left; last, the new one is free. Whoever meets one of the
two finishes all that is left to do, and many may do so at once.

Keys are never emptied and versions only grow, so a slow process can never repeat an earlier part.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from models.codec import encode
from models.domain.compartments import only
from models.domain.profile import Forward, Link, Profile, Unlink, decode_customer, known_since
from service.store.customers.log_entries import unlink_line
from service.store.customers.optimistic_writes import (
    ATTEMPTS,
    back_off,
    forward_write,
    read_customer,
    replace_profile,
    too_many_writers,
)
from service.store.database.backend import Backend, CustomerWrite


class UnlinkOutcome(NamedTuple):
    """What became of an unlink; `changed`: this call took a link back.

    `linked`: both are one customer all the same, by other links.
    """

    changed: bool
    linked: bool


def unlink(
    backend: Backend,
    profile_of: Callable[[bytes], Profile | None],
    assertion: Unlink,
    clock: Callable[[], int],
) -> UnlinkOutcome:
    """Take back what links the identifiers `assertion.a` and `assertion.b`; durable on return.

    Each customer is then as if that link had never been: compartments go with their identifiers.
    `profile_of` finds the customer of an identifier; `clock` gives the time of arrival in the log,
    in microseconds. Raises `StoreUnavailable`: it may then be half done, the next reader finishes
    it, and the same call may be sent again.
    """
    for attempt in range(ATTEMPTS):
        a, b = profile_of(assertion.a), profile_of(assertion.b)
        if a is None or b is None or a.customer != b.customer:
            return UnlinkOutcome(changed=False, linked=False)
        remaining = tuple(link for link in a.links if link.pair != assertion.pair)
        if len(remaining) == len(a.links):
            return UnlinkOutcome(changed=False, linked=True)
        leaves = a.compartments.keys() - _joined(a.customer, remaining)
        home = min(leaves, default=b"")
        if replace_profile(
            backend,
            a,
            replace(a, links=remaining, releasing=home),
            [unlink_line(assertion, clock())],
        ):
            if home:
                finish_unlink(backend, a.customer)
                finish_unlink(backend, home)
            return UnlinkOutcome(changed=True, linked=not home)
        back_off(attempt, backend.time_left())
    raise too_many_writers("unlink")


def finish_unlink(backend: Backend, customer: bytes) -> None:
    """Bring the parting under way at `customer` to its end; nothing if there is none.

    Raises `StoreUnavailable`.
    """
    for attempt in range(ATTEMPTS):
        profile = read_customer(backend, customer)
        if not isinstance(profile, Profile) or not (profile.releasing or profile.released_by):
            return
        moved = _release(backend, profile) if profile.releasing else _set_free(backend, profile)
        if not moved:
            back_off(attempt, backend.time_left())
    raise too_many_writers("unlink")


def _set_free(backend: Backend, profile: Profile) -> bool:
    """Let who left be used, once the other has let go of its compartments."""
    other = read_customer(backend, profile.released_by)
    if isinstance(other, Profile) and other.releasing == profile.customer:
        # Who releases is not itself being released, so this cannot come round in a circle.
        finish_unlink(backend, other.customer)
    return replace_profile(backend, profile, replace(profile, released_by=b""))


def _release(backend: Backend, profile: Profile) -> bool:
    """Do the next step that is left to do."""
    stays = _joined(profile.customer, profile.links)
    leaves = profile.compartments.keys() - stays
    others = sorted(profile.compartments.keys() - {profile.customer})
    stored = dict(zip(others, backend.get_many(others), strict=True))
    if read_customer(backend, profile.customer) != profile:
        # What was read of the others belongs to this version, or to nothing.
        return True
    found = {who: decode_customer(blob) for who, blob in stored.items() if blob is not None}
    home = profile.releasing
    for writes in (
        _led(found, stays, profile.customer, lambda to: to in leaves),
        _settled(profile, leaves, found.get(home)),
        _led(found, leaves, home, lambda to: to != home),
    ):
        if writes:
            return all(backend.write(writes))
    compartments = only(profile.compartments, stays)
    links = tuple(link for link in profile.links if link.a in stays)
    after = replace(
        profile,
        compartments=compartments,
        links=links,
        releasing=b"",
        once_with=_once_with(profile, stays),
        arrivals=_arrivals(profile, stays),
    )
    return replace_profile(backend, profile, after)


def _led(
    found: dict[bytes, Profile | Forward],
    who: Iterable[bytes],
    to: bytes,
    astray: Callable[[bytes], bool],
) -> Sequence[CustomerWrite]:
    """Return the writes that lead those forwards to a customer that go astray."""
    return [
        forward_write(one, forward.version, to)
        for one in sorted(who)
        if isinstance(forward := found.get(one), Forward) and astray(forward.to)
    ]


def _settled(
    profile: Profile, leaves: Collection[bytes], present: Profile | Forward | None
) -> Sequence[CustomerWrite]:
    """Return the write that puts who leaves under its key, unless it is there."""
    if isinstance(present, Profile):
        return []
    expected = 0 if present is None else present.version
    # Whoever asks by one of these identifiers sees the version grow, whatever key it is under.
    left = Profile(
        customer=profile.releasing,
        version=max(profile.version, expected) + 1,
        compartments=only(profile.compartments, leaves),
        links=tuple(link for link in profile.links if link.a in leaves),
        released_by=profile.customer,
        once_with=_once_with(profile, leaves),
        arrivals=_arrivals(profile, leaves),
    )
    return [CustomerWrite(left.customer, expected, encode(left, left.version))]


def _once_with(profile: Profile, remain: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return with whom those who `remain` together were one customer: all others there ever were.

    What was written for one of them, such as the log, is under the key that it had then.
    """
    return tuple(sorted(profile.owners.difference(remain)))


def _arrivals(profile: Profile, remain: Collection[bytes]) -> dict[bytes, int]:
    """Return when each of those who remain together became known."""
    return {who: when for who, when in known_since(profile).items() if who in remain}


def _joined(customer: bytes, links: Sequence[Link]) -> set[bytes]:
    """Return all identifiers that links join to that of a customer, itself included."""
    beside: dict[bytes, list[bytes]] = {}
    for link in links:
        beside.setdefault(link.a, []).append(link.b)
        beside.setdefault(link.b, []).append(link.a)
    joined = {customer}
    left = [customer]
    while left:
        for other in beside.get(left.pop(), ()):
            if other not in joined:
                joined.add(other)
                left.append(other)
    return joined
