"""Stage 5, filter channel: what the channel and placement that ask may not show.

The channel enters here and only withholds; the first filter of an offer is its reason.
"""

from collections.abc import Iterator
from typing import NamedTuple

from models.decision.filters import Filter, mask_of
from models.decision.gather import Gathered
from models.decision.holdout import in_holdout
from models.decision.inputs import DecisionInputs
from models.domain.exclusions import Exclusion
from models.domain.reasons import Reason
from models.domain.selectors import OfferHas, Selector
from models.numeric.array_types import Mask
from models.policy.caps import MARKETING, NOT_TRANSACTIONAL
from models.policy.conditions import undetermined
from models.policy.eligibility import barred, look_backs, offers_having
from models.policy.schema import Eligibility
from models.ranking.offer_index import OfferIndex


class ChannelFilters(NamedTuple):
    """The filters of the channel that asks, in the order of reasons.

    `undetermined`: a rule of eligibility looks further back than a profile keeps what it counts.
    """

    filters: tuple[Filter, ...]
    undetermined: bool


def filter_channel(inputs: DecisionInputs, gathered: Gathered) -> ChannelFilters:
    """Return what the policy, the offers themselves and the request keep from this channel."""
    doubtful = _undetermined(inputs, gathered)
    filters = (
        *_of_policy(inputs, gathered),
        *_of_doubt(inputs, doubtful),
        *_of_offers(inputs, gathered),
        *_of_request(inputs),
    )
    return ChannelFilters(filters, undetermined=bool(doubtful))


def _undetermined(inputs: DecisionInputs, gathered: Gathered) -> list[Eligibility]:
    """Return the rules of eligibility of this channel of which nobody knows whether they hold."""
    channel = inputs.request.channel
    return [
        rule
        for rule in inputs.shared.policy.eligibility
        if (not rule.channels or channel in rule.channels)
        and any(undetermined(one, gathered.situation) for one in look_backs(rule.when))
    ]


def _of_doubt(inputs: DecisionInputs, doubtful: list[Eligibility]) -> Iterator[Filter]:
    """Yield what no outbound channel shows while nobody knows whether it may: a whole rule's."""
    policy, masks = inputs.shared.policy, inputs.shared.index.selections
    if inputs.request.channel in policy.contact.outbound:
        for rule in doubtful:
            yield Filter(Exclusion(Reason.NOT_ELIGIBLE, rule.name), masks.mask(rule.about))


def _of_policy(inputs: DecisionInputs, gathered: Gathered) -> Iterator[Filter]:
    policy, masks = inputs.shared.policy, inputs.shared.index.selections
    if in_holdout(policy, inputs.profile.seed):
        exclusion = Exclusion(Reason.HOLDOUT, policy.holdout.name)
        yield Filter(exclusion, masks.mask(MARKETING))
    for suspended in gathered.contact_rules.suspended(inputs.request.channel):
        yield Filter(suspended.exclusion, masks.mask(suspended.about))


def _of_offers(inputs: DecisionInputs, gathered: Gathered) -> Iterator[Filter]:
    index, policy, request = inputs.shared.index, inputs.shared.policy, inputs.request
    channel = request.channel
    yield Filter(Exclusion(Reason.CHANNEL), index.channels.kept_from(channel))
    yield Filter(Exclusion(Reason.NO_CREATIVE), index.channels.without_creative(channel))
    for rule in policy.eligibility:
        if channel in rule.channels:
            rows = barred(index.selections, rule, gathered.situation)
            yield Filter(Exclusion(Reason.NOT_ELIGIBLE, rule.name), rows)
    if request.place:
        rows = ~index.availability.stocked_at(request.place)
        yield Filter(Exclusion(Reason.OUT_OF_STOCK), rows, leads=True)
    exhausted = inputs.shared.exhausted - gathered.view.granted()
    if exhausted:
        yield Filter(Exclusion(Reason.EXHAUSTED), mask_of(index, exhausted))
    for capped in gathered.contact_rules.capped(channel):
        yield Filter(capped.exclusion, _capped(index, capped.about, capped.offers))


def _of_request(inputs: DecisionInputs) -> Iterator[Filter]:
    index, policy, request = inputs.shared.index, inputs.shared.policy, inputs.request
    masks = index.selections
    placement = policy.placements.get(request.placement)
    if placement is not None and placement.about != Selector():
        exclusion = Exclusion(Reason.PLACEMENT, request.placement)
        yield Filter(exclusion, ~masks.mask(placement.about))
    if request.about != Selector():
        yield Filter(Exclusion(Reason.FILTERED), ~masks.select(request.about))
    if request.having != OfferHas():
        yield Filter(
            Exclusion(Reason.FILTERED),
            ~offers_having(masks, request.having, inputs.shared.exchange),
        )
    if request.exclude:
        yield Filter(Exclusion(Reason.EXCLUDED), mask_of(index, request.exclude))
    if request.include:
        yield Filter(Exclusion(Reason.NOT_INCLUDED), ~mask_of(index, request.include))


def _capped(index: OfferIndex, about: Selector, offers: frozenset[str] | None) -> Mask:
    rows = index.selections.mask(about) & index.selections.mask(NOT_TRANSACTIONAL)
    return rows if offers is None else rows & mask_of(index, offers)
