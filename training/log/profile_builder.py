"""A customer's profile at any moment, built with the fold that the service uses."""

from collections.abc import Iterable

from models.domain.events import Event
from models.domain.fold import fold
from models.domain.profile import Compartment
from models.domain.view import View, view_of
from training.log.event_log import Log


class ProfileBuilder:
    """The compartments of one customer, to which events are added as time goes on."""

    def __init__(self, log: Log, events: Iterable[Event] = ()) -> None:
        self._event_types = log.event_types
        self._compartments: dict[bytes, Compartment] = {}
        self.add(events)

    def add(self, events: Iterable[Event]) -> None:
        """Fold more events in."""
        by_identifier: dict[bytes, list[Event]] = {}
        for event in events:
            by_identifier.setdefault(event.identifier, []).append(event)
        for identifier, added in by_identifier.items():
            before = self._compartments.get(identifier, Compartment())
            self._compartments[identifier] = fold(before, added, self._event_types)

    def copy(self, log: Log) -> "ProfileBuilder":
        """Return a builder with the same state; what is added to either is not in the other."""
        builder = ProfileBuilder(log)
        builder._compartments = dict(self._compartments)
        return builder

    def view(self) -> View:
        """Return the customer as a decision sees it."""
        return view_of(self._compartments.values())
