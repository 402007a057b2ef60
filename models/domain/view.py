"""The view: a customer as a decision sees it, the merge of all compartments."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from models.domain.entry import Entry, latest
from models.domain.event_types import GRANTED, INTERACTION_LANES, RETURNED
from models.domain.events import Event
from models.domain.fold import fold
from models.domain.profile import LANE_CAPACITY, Attribute, Compartment
from models.domain.rule_history import RuleHistory, latest_once


class View(NamedTuple):
    """A customer as a decision sees it: the merge of all compartments.

    `lanes` is what the model reads: entries in canonical order, bounded as in one compartment,
    without purchases that were returned. `attributes` are the values in force; `rule_history` is
    what rules look back on.
    """

    lanes: Mapping[str, Sequence[Entry]]
    attributes: Mapping[str, str]
    rule_history: RuleHistory

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

    def granted(self) -> frozenset[str]:
        """Return the offers of limited volume that this customer has been granted one of."""
        return frozenset(entry.offer for entry in self.rule_history.entries(GRANTED))

    def may_have_been_granted(self) -> bool:
        """Tell whether the customer had more grants than are known."""
        history = self.rule_history
        return history.bounded and any(gap.of is None for gap in history.gaps(GRANTED))


def view_of(compartments: Iterable[Compartment], unsaved: Sequence[Event] = ()) -> View:
    """Merge compartments, and events that are true at this moment only, into one view."""
    parts = list(compartments)
    former = bool(parts) and all(part.facts is None for part in parts)
    if unsaved:
        parts.append(fold(Compartment(), unsaved))
    if len(parts) == 1:
        lanes: Mapping[str, Sequence[Entry]] = parts[0].lanes
        attributes = parts[0].attributes
    else:
        lanes = _merged_lanes(parts, former)
        attributes = _merged_attributes(parts)
    history = RuleHistory(parts, lanes, former=former)
    if RETURNED in lanes:
        lanes = _without_returned(lanes, history)
    return View(lanes, _in_force(attributes), history)


def _merged_lanes(parts: Sequence[Compartment], former: bool) -> Mapping[str, Sequence[Entry]]:
    found: dict[str, list[Sequence[Entry]]] = {}
    for part in parts:
        for lane, entries in part.lanes.items():
            found.setdefault(lane, []).append(entries)
    if former:  # an event under two identifiers counted twice
        return {
            lane: latest([entry for part in entries for entry in part], LANE_CAPACITY[lane])
            for lane, entries in found.items()
        }
    return {lane: latest_once(entries, LANE_CAPACITY[lane]) for lane, entries in found.items()}


def _merged_attributes(parts: Sequence[Compartment]) -> dict[str, Attribute]:
    attributes: dict[str, Attribute] = {}
    for part in parts:
        for name, attribute in part.attributes.items():
            present = attributes.get(name)
            if present is None or (present.stamp, present.value) < (
                attribute.stamp,
                attribute.value,
            ):
                attributes[name] = attribute
    return attributes


def _without_returned(
    lanes: Mapping[str, Sequence[Entry]], history: RuleHistory
) -> Mapping[str, Sequence[Entry]]:
    """Return lanes without what was taken back, as if it had never been."""
    gone = history.taken_back
    standing = {
        lane: tuple(entry for entry in entries if entry.key not in gone)
        if lane in INTERACTION_LANES
        else entries
        for lane, entries in lanes.items()
    }
    return {lane: entries for lane, entries in standing.items() if entries}


def _in_force(attributes: Mapping[str, Attribute]) -> dict[str, str]:
    return {name: attributes[name].value for name in sorted(attributes) if attributes[name].value}
