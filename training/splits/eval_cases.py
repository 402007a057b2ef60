"""Evaluation cases: cases held out of a log, each with the customer as known at its moment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.domain.decisions import minute_of
from models.domain.event_types import ATTRIBUTE, PURCHASE
from models.domain.events import Event
from models.domain.view import View
from training.log.event_log import Log
from training.log.order import bound_of
from training.log.profile_builder import ProfileBuilder
from training.splits.cases import Case

# (cases, places): rows of the sorted items, best first; -1 where a list ends early.
RankedLists = NDArray[np.int64]


@dataclass(frozen=True)
class EvalCase:
    """A case with all that a ranker may know of its customer.

    `view` is the customer as a decision would see it at `minute`, in microseconds since 1970 and
    cut to the minute (0 without a time). `events` are the customer's events before the case,
    `interaction_count` how many of them are interactions, `channels` where these happened,
    purchases aside, and `touched_items` the items they are about. `masked_items` may not be listed.
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
    """Return an evaluation case for each of `cases`.

    Items of earlier events whose type is in `mask` may not be listed. With `latest`, a customer is
    known by attributes and that many of the latest interactions only.
    """
    masked = frozenset(mask)
    return [_eval_case(log, case, masked, latest) for case in cases]


def discovery_cases(eval_cases: Sequence[EvalCase]) -> list[EvalCase]:
    """Return the cases of the intent discovery: touched items are no targets and not listed.

    Cases without an untouched target are left out.
    """
    discoveries = []
    for eval_case in eval_cases:
        targets = tuple(t for t in eval_case.case.targets if t.item not in eval_case.touched_items)
        if targets:
            case = replace(eval_case.case, targets=targets)
            masked = eval_case.masked_items | eval_case.touched_items
            discoveries.append(replace(eval_case, case=case, masked_items=masked))
    return discoveries


def _eval_case(log: Log, case: Case, masked: frozenset[str], latest: int | None) -> EvalCase:
    events: Sequence[Event] = ()
    if case.customer is not None:
        events = log.customers[case.customer].events
        if case.before is not None:
            events = [event for event in events if bound_of(event) < case.before]
    interactions = [event for event in events if log.is_interaction(event)]
    if latest is not None:
        interactions = interactions[max(0, len(interactions) - latest) :]
        events = [
            event for event in events if log.event_types[event.type].lane == ATTRIBUTE
        ] + interactions
    return EvalCase(
        case=case,
        view=ProfileBuilder(log, events).view(),
        minute=0 if case.now is None else minute_of(case.now),
        events=events,
        interaction_count=len(interactions),
        channels=frozenset(
            e.channel for e in interactions if log.event_types[e.type].lane != PURCHASE
        ),
        touched_items=frozenset(event.item for event in interactions if event.item),
        masked_items=frozenset(
            event.item for event in events if event.item and event.type in masked
        ),
    )
