"""Stage 1, gather: the customer at this moment, and which offers are closed to them."""

from collections.abc import Mapping
from typing import NamedTuple

from models.clock_time import MINUTE
from models.decision.filters import base_intent_of, rows_of
from models.decision.inputs import DecisionInputs
from models.domain.decisions import ContextItem, minute_of
from models.domain.events import Event
from models.domain.exclusions import Exclusion
from models.domain.view import View, view_of
from models.numeric.array_types import Rows
from models.policy.caps import ContactRules
from models.policy.conditions import Situation
from models.policy.windows import zone_of


class Gathered(NamedTuple):
    """What the later stages look at.

    `base_intent` is the built-in intent that the one asked for behaves like; `minute` is the time
    of the decision cut to the minute; `view` holds the items of the context as if just touched.
    `closed` are the offers that cool-downs and the context keep from every channel, by id, and
    `closed_rows` (ascending) those of them that the catalogue has.
    """

    base_intent: str
    minute: int
    view: View
    situation: Situation
    contact_rules: ContactRules
    closed: Mapping[str, Exclusion]
    closed_rows: Rows


def gather(inputs: DecisionInputs) -> Gathered:
    """Return the customer as this decision sees them."""
    index, policy, request = inputs.shared.index, inputs.shared.policy, inputs.request
    minute = minute_of(inputs.now)
    base_intent = base_intent_of(policy, request.intent)
    view = view_of(inputs.profile.compartments.values(), _context_events(request.context, minute))
    contact_rules = ContactRules(
        view,
        policy,
        inputs.now,
        base_intent,
        request.context,
        index.catalogue,
        reserves=not (inputs.profile_unavailable or inputs.nothing_reserved),
    )
    closed = contact_rules.closed()
    return Gathered(
        base_intent,
        minute,
        view,
        Situation(
            view, request.place, minute, zone_of(view, policy.contact), inputs.shared.exchange
        ),
        contact_rules,
        closed,
        rows_of(index, closed),
    )


def _context_events(context: tuple[ContextItem, ...], minute: int) -> list[Event]:
    """Return the context items as events of the end of this minute, after everything recorded."""
    return [
        Event(
            event_id=f"context:{entry.in_cart}:{entry.item}",
            identifier=b"",
            type="add_to_cart" if entry.in_cart else "view",
            channel="context",
            time=minute + MINUTE,
            item=entry.item,
        )
        for entry in dict.fromkeys(context)
    ]
