"""Questions: the cases of an evaluation, each with the customer as known when it is asked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.domain.decisions import minute_of
from models.domain.events import ATTRIBUTE, PURCHASE, Event
from models.domain.view import View
from training.log.event_log import Log
from training.log.order import bound_of
from training.log.profile_builder import ProfileBuilder
from training.splits.cases import Case

# Of each question the items listed, as rows of the sorted items; -1 where a list ends early.
RankedLists = NDArray[np.int64]


@dataclass(frozen=True)
class EvalCase:
    """A case ready to be asked of any ranker.

    `view` is the customer as a decision would see it at `minute` (microseconds); `events` are all
    earlier events of the customer, `acts` how many of them are acts, and `channels` where these
    happened, purchases aside; `masked` are items left out of the list.
    """

    case: Case
    view: View
    minute: int
    events: Sequence[Event]
    interaction_count: int
    channels: frozenset[str]
    touched_items: frozenset[str]
    masked_items: frozenset[str]


def eval_cases_of(
    log: Log, cases: Iterable[Case], mask: Iterable[str] = (), latest: int | None = None
) -> list[EvalCase]:
    """Return a question for each case; `mask` names event types whose items are left out.

    With `latest` only so many of a customer's acts are known, the latest.
    """
    masked = frozenset(mask)
    return [_question(log, case, masked, latest) for case in cases]


def discovery_cases(questions: Sequence[EvalCase]) -> list[EvalCase]:
    """Return the questions that a discovery asks: nothing touched before is right or listed.

    Those without an untouched target are left out.
    """
    found = []
    for question in questions:
        targets = tuple(t for t in question.case.targets if t.item not in question.touched_items)
        if targets:
            case = replace(question.case, targets=targets)
            masked = question.masked_items | question.touched_items
            found.append(replace(question, case=case, masked_items=masked))
    return found


def _question(log: Log, case: Case, masked: frozenset[str], latest: int | None) -> EvalCase:
    events: Sequence[Event] = ()
    if case.customer is not None:
        events = log.customers[case.customer].events
        if case.before is not None:
            events = [event for event in events if bound_of(event) < case.before]
    acts = [event for event in events if log.is_interaction(event)]
    if latest is not None:
        acts = acts[max(0, len(acts) - latest) :]
        events = [event for event in events if log.lanes[event.type] == ATTRIBUTE] + acts
    return EvalCase(
        case=case,
        view=ProfileBuilder(log, events).view(),
        minute=0 if case.now is None else minute_of(case.now),
        events=events,
        interaction_count=len(acts),
        channels=frozenset(e.channel for e in acts if log.lanes[e.type] != PURCHASE),
        touched_items=frozenset(event.item for event in acts if event.item),
        masked_items=frozenset(
            event.item for event in events if event.item and event.type in masked
        ),
    )
