"""The compartments of a large customer, each decoded when it is first looked at.

A customer of fifty identifiers with full lanes is two megabytes, and an event concerns one of them:
the others are read and written back as the bytes that they are.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Generic, TypeVar

import msgspec

from models.domain.events import Stamp

T = TypeVar("T")

_MAP, _NONE = msgspec.Raw(b"\x80"), msgspec.Raw(b"\xc0")  # msgpack of {} and of None


class StoredCompartment(msgspec.Struct, frozen=True, array_like=True):
    """A compartment of which only the ids that it remembers are decoded; encoded as it was."""

    lanes: msgspec.Raw = _MAP
    counts: msgspec.Raw = _MAP
    attributes: msgspec.Raw = _MAP
    seen: bytes = b""
    floor: Stamp | None = None
    facts: msgspec.Raw = _NONE
    lost: msgspec.Raw = _MAP
    likes: msgspec.Raw = _MAP

    @property
    def has_facts(self) -> bool:
        """Tell whether a lane let go of anything that was kept as facts."""
        return self.facts not in (_NONE, _MAP)


class Compartments(Mapping[bytes, T], Generic[T]):
    """Compartments by identifier, like a dictionary that never changes."""

    def __init__(
        self,
        parts: Mapping[bytes, T | StoredCompartment],
        decode: Callable[[StoredCompartment], T],
    ) -> None:
        """`decode` makes of a stored compartment what is got; what it raises is raised there."""
        self._parts = parts
        self._decode = decode
        self._decoded: dict[bytes, T] = {}

    @property
    def parts(self) -> Mapping[bytes, T | StoredCompartment]:
        """Return the same, with those that came from a store as they were stored."""
        return self._parts

    def __getitem__(self, identifier: bytes) -> T:
        """Return the compartment of an identifier, decoded once."""
        part = self._parts[identifier]
        if not isinstance(part, StoredCompartment):
            return part
        found = self._decoded.get(identifier)
        if found is None:
            found = self._decoded[identifier] = self._decode(part)
        return found

    def __iter__(self) -> Iterator[bytes]:
        """Yield the identifiers."""
        return iter(self._parts)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._parts)

    def __contains__(self, identifier: object) -> bool:
        """Tell whether there is one, without a look at it."""
        return identifier in self._parts

    def __eq__(self, other: object) -> bool:
        """Compare as dictionaries do; what is stored alike is not decoded."""
        if isinstance(other, Compartments) and self._parts == other._parts:
            return True
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Show the compartments."""
        return f"{type(self).__name__}({dict(self)!r})"

    def of_parts(self, parts: Mapping[bytes, T | StoredCompartment]) -> "Compartments[T]":
        """Return other compartments that are decoded as these are."""
        return Compartments(parts, self._decode)

    def stored_form(self) -> object:
        """Return what `codec.encode` makes the stored bytes of."""
        return self._parts


def at_hand(compartments: Mapping[bytes, T]) -> Mapping[bytes, T | StoredCompartment]:
    """Return compartments without decoding any for it."""
    return compartments.parts if isinstance(compartments, Compartments) else compartments


def joined(first: Mapping[bytes, T], second: Mapping[bytes, T]) -> Mapping[bytes, T]:
    """Return the compartments of both, of an identifier of both that of `second`."""
    parts = {**at_hand(first), **at_hand(second)}
    return like(first if isinstance(first, Compartments) else second, parts)


def only(compartments: Mapping[bytes, T], identifiers: Collection[bytes]) -> Mapping[bytes, T]:
    """Return the compartments of those of some identifiers that have one."""
    parts = {one: part for one, part in at_hand(compartments).items() if one in identifiers}
    return like(compartments, parts)


def like(
    compartments: Mapping[bytes, T], parts: dict[bytes, T | StoredCompartment]
) -> Mapping[bytes, T]:
    """Return parts as compartments that are decoded as others are, where these have to be."""
    if isinstance(compartments, Compartments):
        # A profile without any leaves them out of its stored form only where they are a dictionary.
        return compartments.of_parts(parts) if parts else {}
    return {one: part for one, part in parts.items() if not isinstance(part, StoredCompartment)}
