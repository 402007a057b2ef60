"""The view: a customer as a decision sees it, the merge of all compartments."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from models.domain.event_types import CONTACT, GRANTED, INTERACTION_LANES, RESERVED, SENT
from models.domain.events import Event
from models.domain.fold import fold
from models.domain.profile import LANE_CAPACITY, Attribute, Compartment, Entry, latest


class View(NamedTuple):
    """A customer as a decision sees it: the merge of all compartments.

    `lanes` holds entries in canonical order, bounded as in one compartment; `attributes` the values
    in force.
    """

    lanes: Mapping[str, tuple[Entry, ...]]
    attributes: Mapping[str, str]

    def history(self, length: int, types: Container[str]) -> list[Entry]:
        """Return the latest `length` acts of the given types, oldest first.

        Acts are what the customer did; contacts are what was done to them.
        """
        entries = [
            entry
            for lane in INTERACTION_LANES
            for entry in self.lanes.get(lane, ())
            if entry.type in types
        ]
        entries.sort()
        return entries[-length:]

    def contacts(self) -> list[Entry]:
        """Return what was shown, sent and reserved, in canonical order.

        The lane of impressions may hold what was sent, too: before lanes were parted.
        """
        return sorted(
            entry for lane in (CONTACT, SENT, RESERVED) for entry in self.lanes.get(lane, ())
        )

    def complete_since(self, lane: str) -> int | None:
        """Return the time after which `lane` holds everything (microseconds); None: always.

        A lane that is full may have lost what is not newer than its oldest entry: a hard cap, which
        must never count too little, holds while its window reaches back to there.
        """
        entries = self.lanes.get(lane, ())
        if len(entries) < LANE_CAPACITY[lane]:
            return None
        return entries[0].at if entries[0].rank else 0

    def granted(self) -> frozenset[str]:
        """Return the offers of limited volume that this customer has been granted one of."""
        return frozenset(entry.offer for entry in self.lanes.get(GRANTED, ()))


def view_of(compartments: Iterable[Compartment], unsaved: Sequence[Event] = ()) -> View:
    """Merge compartments, and events that are true at this moment only, into one view."""
    parts = list(compartments)
    if unsaved:
        parts.append(fold(Compartment(), unsaved))
    if len(parts) == 1:
        only = parts[0]
        return View(only.lanes, _in_force(only.attributes))
    lanes: dict[str, list[Entry]] = {}
    attributes: dict[str, Attribute] = {}
    for part in parts:
        for lane, entries in part.lanes.items():
            lanes.setdefault(lane, []).extend(entries)
        for name, attribute in part.attributes.items():
            present = attributes.get(name)
            if present is None or (present.stamp, present.value) < (
                attribute.stamp,
                attribute.value,
            ):
                attributes[name] = attribute
    return View(
        {lane: latest(entries, LANE_CAPACITY[lane]) for lane, entries in lanes.items()},
        _in_force(attributes),
    )


def _in_force(attributes: Mapping[str, Attribute]) -> dict[str, str]:
    return {name: attributes[name].value for name in sorted(attributes) if attributes[name].value}
