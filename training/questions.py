"""Questions: the cases of an evaluation, each with the customer as known when it is asked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.decision import minute_of
from models.events import ATTRIBUTE, PURCHASE, Event
from models.view import View
from training.examples import Folder
from training.log import Log
from training.splits import Case, bound_of


@dataclass(frozen=True)
class Question:
    """A case ready to be asked of any ranker.

    `view` is the customer as a decision would see it at `minute` (microseconds); `events` are all
    earlier events of the customer, `acts` how many of them are acts, and `channels` where these
    happened, purchases aside; `masked` are items left out of the list.
    """

    case: Case
    view: View
    minute: int
    events: Sequence[Event]
    acts: int
    channels: frozenset[str]
    touched: frozenset[str]
    masked: frozenset[str]


def questions(
    log: Log, cases: Iterable[Case], mask: Iterable[str] = (), latest: int | None = None
) -> list[Question]:
    """Return a question for each case; `mask` names event types whose items are left out.

    With `latest` only so many of a customer's acts are known, the latest.
    """
    masked = frozenset(mask)
    return [_question(log, case, masked, latest) for case in cases]


def _question(log: Log, case: Case, masked: frozenset[str], latest: int | None) -> Question:
    events: Sequence[Event] = ()
    if case.customer is not None:
        events = log.customers[case.customer].events
        if case.before is not None:
            events = [event for event in events if bound_of(event) < case.before]
    acts = [event for event in events if log.is_act(event)]
    if latest is not None:
        acts = acts[max(0, len(acts) - latest) :]
        events = [event for event in events if log.lanes[event.type] == ATTRIBUTE] + acts
    return Question(
        case=case,
        view=Folder(log, events).view(),
        minute=0 if case.now is None else minute_of(case.now),
        events=events,
        acts=len(acts),
        channels=frozenset(e.channel for e in acts if log.lanes[e.type] != PURCHASE),
        touched=frozenset(event.item for event in acts if event.item),
        masked=frozenset(event.item for event in events if event.item and event.type in masked),
    )
