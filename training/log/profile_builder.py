"""A customer's profile as it grows, event by event, with the fold that serves."""

from collections.abc import Iterable

from models.domain.events import Event
from models.domain.fold import fold
from models.domain.profile import Compartment
from models.domain.view import View, view_of
from training.log.event_log import Log


class ProfileBuilder:
    """One customer's compartments, grown event by event with the fold that serves."""

    def __init__(self, log: Log, events: Iterable[Event] = ()) -> None:
        self._lanes = log.lanes
        self._compartments: dict[bytes, Compartment] = {}
        self.add(events)

    def add(self, events: Iterable[Event]) -> None:
        """Fold more events in."""
        split: dict[bytes, list[Event]] = {}
        for event in events:
            split.setdefault(event.identifier, []).append(event)
        for identifier, part in split.items():
            before = self._compartments.get(identifier, Compartment())
            self._compartments[identifier] = fold(before, part, self._lanes)

    def copy(self, log: Log) -> "ProfileBuilder":
        """Return a folder of the same state that grows on its own."""
        folder = ProfileBuilder(log)
        folder._compartments = dict(self._compartments)
        return folder

    def view(self) -> View:
        """Return the customer as a decision sees it."""
        return view_of(self._compartments.values())
