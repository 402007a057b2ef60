"""The names callers may use: the built-in ones and those that the settings declare."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from models.domain.channels import CHANNELS
from models.domain.event_types import EVENT_TYPES, OWN_TYPES, EventType
from models.domain.identifiers import NAMESPACES
from models.domain.input.nobody import BUILT_IN, Nobody, nobody
from models.domain.names import NAME_BYTES, is_name
from models.errors import BadInput


@dataclass(frozen=True)
class Names:
    """Every name that a request may use.

    `event_types` maps a type to the built-in one that it is or behaves like; callers may send
    `sendable_types`, decisions record the others. `placements` is empty when any well-formed name
    will do. `nobody` are values of identifiers that identify nobody.
    """

    channels: frozenset[str]
    event_types: Mapping[str, EventType]
    namespaces: frozenset[str]
    placements: frozenset[str]
    nobody: Nobody = BUILT_IN

    @cached_property
    def sendable_types(self) -> frozenset[str]:
        """Return the types of events that callers may send."""
        return frozenset(self.event_types) - OWN_TYPES


def declare_names(
    channels: Iterable[str] = (),
    event_types: Mapping[str, str] = {},
    namespaces: Iterable[str] = (),
    placements: Iterable[str] = (),
    nobody_identifiers: Iterable[str] = (),
) -> Names:
    """Return the built-in names with declared ones added; raises `BadInput` naming the setting.

    `event_types` maps each new type to the built-in one that it behaves like.
    """
    given = {
        "channels": tuple(channels),
        "event_types": tuple(event_types),
        "namespaces": tuple(namespaces),
        "placements": tuple(placements),
    }
    for setting, names in given.items():
        if not all(is_name(name) for name in names):
            raise BadInput(setting, f"want names [a-z][a-z0-9_]* of at most {NAME_BYTES} bytes")
    types = dict(EVENT_TYPES)
    for new, like in event_types.items():
        if like not in EVENT_TYPES or like in OWN_TYPES:
            raise BadInput("event_types", "behaves like something that is not a built-in type")
        if new in EVENT_TYPES:
            raise BadInput("event_types", "declares a built-in type anew")
        types[new] = EVENT_TYPES[like]
    return Names(
        channels=frozenset((*CHANNELS, *given["channels"])),
        event_types=types,
        namespaces=frozenset((*NAMESPACES, *given["namespaces"])),
        placements=frozenset(given["placements"]),
        nobody=nobody(nobody_identifiers),
    )
