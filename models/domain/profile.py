"""The profile: everything live that a decision may use about one customer, as it is stored.

A profile holds one compartment for each identifier, which `models.domain.fold` makes of its events.
The customer is their merge, made when read (`models.domain.view`), so that linking and unlinking
move whole compartments.
"""

from collections.abc import Mapping

import msgspec

from models.codec import FORMAT, damaged, format_of, payload_of
from models.domain.compartments import Compartments, StoredCompartment
from models.domain.entry import Entry
from models.domain.event_types import (
    BROWSE,
    CART,
    CONTACT,
    GRANTED,
    PURCHASE,
    RESERVED,
    RESPONSE,
    RETURNED,
    SENT,
)
from models.domain.events import Stamp
from models.domain.facts import Facts

# How many of the latest events each lane remembers.
LANE_CAPACITY: Mapping[str, int] = {
    BROWSE: 150,
    CART: 50,
    PURCHASE: 100,
    CONTACT: 100,
    RESPONSE: 50,
    SENT: 100,
    RESERVED: 100,
    GRANTED: 100,
    RETURNED: 50,
}


IDENTIFIERS_MOST = 50  # of one customer: a link that would make it more is refused

# Bytes of a stored customer from which on compartments are decoded one by one: of smaller ones the
# whole is decoded sooner than it is told apart.
LARGE = 1 << 16


class Attribute(msgspec.Struct, frozen=True, array_like=True):
    """The latest statement of one attribute; an empty value says that it is gone."""

    stamp: Stamp
    value: str


class Compartment(msgspec.Struct, frozen=True, array_like=True):
    """What was recorded under one identifier, bounded.

    `lanes` maps a lane to its entries in canonical order; `counts` maps "type channel bucket" to a
    number, where the bucket is months since 1970 or -1 for undated; `seen` packs the latest event
    ids with a hash of their content; `floor` is the newest entry that `seen` ever dropped.

    `facts` maps a lane to what rules still need of what it let go of; None in a compartment of the
    format before facts, in which that is lost. `lost` says up to when (microseconds) what such a
    lane had let go of is missing for good. `likes` maps each declared type to the built-in one that
    it behaves like.
    """

    lanes: dict[str, tuple[Entry, ...]] = {}
    counts: dict[str, int] = {}
    attributes: dict[str, Attribute] = {}
    seen: bytes = b""
    floor: Stamp | None = None
    facts: dict[str, Facts] | None = None
    lost: dict[str, int] = {}
    likes: dict[str, str] = {}


class LinkAssertion(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Something said of two identifiers; `time` in microseconds, or -1 when undated."""

    time: int
    a: bytes
    b: bytes
    asserted_by: str

    @property
    def pair(self) -> frozenset[bytes]:
        """The two, whichever was named first."""
        return frozenset((self.a, self.b))


class Link(LinkAssertion, frozen=True):
    """Two identifiers were said to be one customer."""


class Unlink(LinkAssertion, frozen=True):
    """It was said that two identifiers are not one customer, whoever had linked them."""


class Profile(msgspec.Struct, frozen=True, kw_only=True, tag=1, omit_defaults=True):
    """The stored state of one customer.

    `customer` is the keyed hash of its first identifier; `version` grows with each write. While
    customers are joined or parted, which any reader can finish, `absorbing` names who is taken over
    by this one, of which it holds a copy as of version `copied`, `releasing` who is parted from it,
    and `released_by` from whom this one is parted. `once_with` are identifiers that were of one
    customer with some of its own and no longer are. `arrivals` says when each identifier became
    known (microseconds); it is empty in the format before.
    """

    customer: bytes
    version: int = 0
    compartments: Mapping[bytes, Compartment] = {}
    links: tuple[Link, ...] = ()
    absorbing: bytes = b""
    copied: int = 0
    releasing: bytes = b""
    released_by: bytes = b""
    once_with: tuple[bytes, ...] = ()
    arrivals: dict[bytes, int] = {}

    @property
    def seed(self) -> bytes:
        """Return the identifier that was known first: draws about the customer are by it."""
        known = known_since(self)
        return min(known, key=lambda one: (known[one], one), default=self.customer)

    @property
    def unsettled(self) -> bool:
        """Whether it is being joined or parted: then nobody may use it before that is finished."""
        return bool(self.absorbing or self.releasing or self.released_by)

    @property
    def owners(self) -> set[bytes]:
        """Under whose keys that was written which concerns this customer: now, or once."""
        return {self.customer, *self.compartments, *self.once_with}

    @property
    def blank(self) -> bool:
        """Whether nothing is said of the customer: no event, no link."""
        return not self.links and all(one == _BLANK for one in self.compartments.values())


_BLANK = Compartment()


def known_since(profile: Profile) -> dict[bytes, int]:
    """Return when each identifier of a profile became known (microseconds).

    Of identifiers of the format before nobody knows it: the customer's own comes first, as draws
    were by that one, the others after it, and all of them before any whose arrival is known.
    """
    return {
        identifier: profile.arrivals.get(identifier, int(identifier != profile.customer))
        for identifier in profile.compartments
    }


class Forward(msgspec.Struct, frozen=True, kw_only=True, tag=2):
    """What remains of a customer that was linked to another: where it lives now."""

    customer: bytes
    version: int
    to: bytes


class _LargeProfile(Profile, frozen=True, kw_only=True, tag=1):
    """A profile as it is stored, its compartments as good as untouched."""

    compartments: dict[bytes, StoredCompartment] = {}  # type: ignore[assignment]


_customer: msgspec.msgpack.Decoder[Profile | Forward] = msgspec.msgpack.Decoder(Profile | Forward)
_large: msgspec.msgpack.Decoder[_LargeProfile | Forward] = msgspec.msgpack.Decoder(
    _LargeProfile | Forward
)
_lanes = msgspec.msgpack.Decoder(dict[str, tuple[Entry, ...]])
_numbers = msgspec.msgpack.Decoder(dict[str, int])
_attributes = msgspec.msgpack.Decoder(dict[str, Attribute])
_facts: msgspec.msgpack.Decoder[dict[str, Facts] | None] = msgspec.msgpack.Decoder(
    dict[str, Facts] | None
)
_likes = msgspec.msgpack.Decoder(dict[str, str])


def decode_customer(data: bytes) -> Profile | Forward:
    """Return the profile, or the forward, stored for a customer; raises as `codec.decode` does.

    A compartment of a large profile is decoded when it is looked at, and may raise `Damaged` then,
    should the bytes be those that were stored and yet be no compartment.
    """
    # What the format before left out is written out where it is written anew.
    whole = len(data) < LARGE or format_of(data) != FORMAT
    try:
        if whole:
            return _customer.decode(payload_of(data))
        stored = _large.decode(payload_of(data))
    except msgspec.DecodeError:
        raise damaged() from None
    if isinstance(stored, Forward):
        return stored
    values = msgspec.structs.asdict(stored)
    return Profile(**{**values, "compartments": Compartments(stored.compartments, _decoded)})


def _decoded(stored: StoredCompartment) -> Compartment:
    """Return a compartment of a large profile."""
    try:
        return Compartment(
            lanes=_lanes.decode(stored.lanes),
            counts=_numbers.decode(stored.counts),
            attributes=_attributes.decode(stored.attributes),
            seen=stored.seen,
            floor=stored.floor,
            facts=_facts.decode(stored.facts),
            lost=_numbers.decode(stored.lost),
            likes=_likes.decode(stored.likes),
        )
    except msgspec.DecodeError:
        raise damaged() from None
