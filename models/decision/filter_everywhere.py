"""Stage 2, filter everywhere: what no channel may show, left out before candidates are found.

So the candidates are the same whoever asks. The first filter of an offer is its reason.
"""

from collections.abc import Iterator
from typing import NamedTuple

from models.decision.filters import Filter, without
from models.decision.gather import Gathered
from models.decision.inputs import DecisionInputs
from models.domain.decisions import Intent
from models.domain.exclusions import Exclusion
from models.domain.reasons import Reason
from models.domain.selectors import Selector
from models.policy.eligibility import barred
from models.recommender.vector_search import Allowed

CARE = Selector(classes=("service", "transactional"))


class GlobalFilters(NamedTuple):
    """The filters of every channel, and which rows are left: `eligible` on some channel."""

    filters: tuple[Filter, ...]
    eligible: Allowed


def filter_everywhere(inputs: DecisionInputs, gathered: Gathered) -> GlobalFilters:
    """Return what is eligible at this moment, and the filters that left out the rest.

    Availability (validity, stock anywhere, withdrawal) is known to the index and needs no filter.
    """
    index = inputs.shared.index
    filters = tuple(_filters(inputs, gathered))
    available = index.availability.eligible(inputs.now)
    if not filters:
        return GlobalFilters(filters, available)
    return GlobalFilters(filters, index.rows.allow(without(available.mask, filters)))


def _filters(inputs: DecisionInputs, gathered: Gathered) -> Iterator[Filter]:
    policy, masks = inputs.shared.policy, inputs.shared.index.selections
    about = _offers_of_intent(inputs, gathered)
    if about is not None:
        yield Filter(Exclusion(Reason.INTENT, inputs.request.intent), ~masks.select(about))
    for rule in policy.eligibility:
        if not rule.channels:
            rows = barred(masks, rule, gathered.situation)
            yield Filter(Exclusion(Reason.NOT_ELIGIBLE, rule.name), rows)
    for closed in gathered.contact_rules.closed_categories():
        yield Filter(closed.exclusion, masks.select(closed.about))


def _offers_of_intent(inputs: DecisionInputs, gathered: Gathered) -> Selector | None:
    """Return which offers the intent is about, None for all."""
    rule = inputs.shared.policy.intents.get(inputs.request.intent)
    if rule is not None and rule.classes:
        return Selector(classes=rule.classes)
    return CARE if gathered.base_intent == Intent.SERVICE else None
