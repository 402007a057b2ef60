"""What is held out of a log, as the checks look at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from models.domain.event_types import ATTRIBUTE
from models.domain.events import Event
from training.log.event_log import Log
from training.log.order import bound_of
from training.splits.cases import Case, Split
from training.splits.protocols import target_types


@dataclass(frozen=True)
class CheckedSplit:
    """Cases with `log`, which their histories come from, and `training`, which is learnt from.

    `window` is the start and end of what is held out, None where there is none.
    """

    log: Log
    training: Log
    cases: Sequence[Case]
    window: tuple[int, int] | None = None

    @classmethod
    def of(cls, log: Log, split: Split) -> "CheckedSplit":
        """Return a split of `log`, to be checked."""
        histories = log if split.window else split.training
        return cls(histories, split.training, split.cases, split.window)

    @cached_property
    def target_types(self) -> frozenset[str]:
        """The event types that say what customers turned to."""
        return frozenset(target_types(self.training))

    @cached_property
    def targets(self) -> list[tuple[int, str]]:
        """Each target of a customer whom the log knows: the customer's place, and the item."""
        return [
            (case.customer, target.item)
            for case in self.cases
            if case.customer is not None
            for target in case.targets
        ]

    @cached_property
    def repeats(self) -> tuple[list[str], list[str]]:
        """The items of targets that the customer had turned to before, and had touched before."""
        had: list[str] = []
        touched: list[str] = []
        for case in self.cases:
            wanted = {target.item for target in case.targets}
            before = [event for event in self._before(case) if event.item in wanted]
            had += {event.item for event in before if event.type in self.target_types}
            touched += {event.item for event in before if self.log.is_interaction(event)}
        return had, touched

    @cached_property
    def target_events(self) -> list[tuple[int, str, bool]]:
        """What is learnt of targets, event by event: customer, item, and whether it was lately.

        Lately is within the length of the window before it, or ever where there is none.
        """
        since = None if self.window is None else 2 * self.window[0] - self.window[1]
        return [
            (at, event.item, since is None or bound_of(event).at >= since)
            for at, customer in enumerate(self.training.customers)
            for event in customer.events
            if event.item and event.type in self.target_types
        ]

    @cached_property
    def attributes(self) -> Sequence[Mapping[str, str]]:
        """The latest attributes of each customer, as they are known when training."""
        known: list[dict[str, str]] = []
        for customer in self.training.customers:
            known.append({})
            for event in customer.events:
                if self.log.event_types[event.type].lane == ATTRIBUTE:
                    known[-1].update(event.attributes)
        return known

    def _before(self, case: Case) -> Sequence[Event]:
        if case.customer is None:
            return ()
        events = self.log.customers[case.customer].events
        if case.before is None:
            return events
        return [event for event in events if bound_of(event) < case.before]
